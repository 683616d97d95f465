// NUMA nodes: their CPUs, their distances, and where the memory of a process lies (numa(7)).
#pragma once

#include <map>
#include <vector>

#include "harness/os/cpus.hpp"
#include "harness/os/process.hpp"

namespace grit {

struct NumaNode {
  int number = 0;
  Cpus cpus{};                     // empty: memory only
  std::map<int, int> distances{};  // to each node, as the firmware has it; 10 to itself
};

/// Those that are online. One node on a machine without NUMA.
Result<std::vector<NumaNode>> numa_nodes();

/// Bytes of a process on each node, by /proc/PID/numa_maps. Error (unavailable): the kernel does not say.
Result<std::map<int, std::int64_t>> memory_by_numa_node(const ProcessIdentity& process);

}  // namespace grit
