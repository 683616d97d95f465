// Which NUMA nodes a set of CPUs lies on.
#pragma once

#include <filesystem>
#include <map>
#include <set>

#include "harness/os/cpus.hpp"

namespace grit {

/// The CPUs of each NUMA node that is online, by number. One on a machine without NUMA; none where the kernel does not
/// say. `sys` is where sysfs is mounted.
std::map<int, Cpus> cpus_by_numa_node(const std::filesystem::path& sys);

std::set<int> numa_nodes_of(const std::map<int, Cpus>& nodes, const Cpus& cpus);

}  // namespace grit
