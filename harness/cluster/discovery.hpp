// What this node is made of.
#pragma once

#include <filesystem>

#include "harness/base/json.hpp"
#include "harness/base/result.hpp"
#include "harness/model/topology.hpp"

namespace grit {

/// A NIC that carries the mount of one of these is a management NIC; empty: not considered.
struct DiscoveryHints {
  std::filesystem::path run_directory{};
  std::filesystem::path journal_directory{};
};

/// This node, in its current network namespace. index and ranks are left to the caller, who knows the job. NICs are in
/// the order of their ifindex, Ethernet and InfiniBand only, and only those of use (drop_idle_nics), so that a host of
/// containers does not fill the plan; link-local IPv6 addresses are left out, because the kernel makes them by itself
/// and late. Roles: harness/cluster/nic_roles.hpp, with the mounts of the program and its libraries and of $HOME, too,
/// which ranks and mpirun read. GPUs are asked for where NVIDIA's driver is loaded, which can take seconds; what
/// does not answer is a Node::gpu_problem, and no error. Error: the kernel does not answer over netlink.
Result<Node> discover_node(const DiscoveryHints& hints);

/// The part of a Node that is the machine's and not the namespace's: cores this process may run on
/// (sched_getaffinity(2)), NUMA nodes (hwloc), memory, processor, kernel.
Node describe_machine();

/// env/<node>.json: the facts that explain a measurement later. Only environment variables whose prefix says that they
/// tune the job (OMPI_, UCX_, NCCL_, OMP_, OPENBLAS_, SLURM_ ...) are in it, and none that looks like a secret.
Json describe_environment();

}  // namespace grit
