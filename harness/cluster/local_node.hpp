// One node of the local cluster, seen from the inside.
#pragma once

#include <string>

#include "harness/base/fd.hpp"
#include "harness/base/result.hpp"

namespace grit {

/// Gives the calling process its own mounts, for its own network and pid namespace: /proc, /sys (with the present
/// cgroup hierarchies in it) and an empty /dev/shm, with the link to this program in it. Error: as the mounts of
/// harness/os/namespaces.hpp.
Status mount_private_view(const std::string& program);

/// The life of a node's init, process 1 of its pid namespace: makes the other namespaces, reports through `report` that
/// it is ready or why not, then reaps orphans until it is killed. Never returns.
[[noreturn]] void run_node_init(int node, const std::string& program, Fd report);

/// Reads what a node's init reported.
Status await_node_init(const Fd& report);

}  // namespace grit
