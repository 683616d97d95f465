#include "harness/health/checks/numa_nodes_of.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "harness/base/files.hpp"

namespace grit {

std::map<int, Cpus> cpus_by_numa_node(const std::filesystem::path& sys) {
  constexpr std::size_t kMaxFile_bytes = 65536;
  const auto directory = sys / "devices/system/node";
  const auto online = read_file(directory / "online", kMaxFile_bytes);
  const auto numbers = online ? cpus_from_list(*online) : Cpus{};  // the same format
  std::map<int, Cpus> nodes;
  if (!numbers) return nodes;
  for (const int number : *numbers) {
    const auto list = read_file(directory / fmt::format("node{}", number) / "cpulist", kMaxFile_bytes);
    if (!list) continue;
    nodes[number] = cpus_from_list(*list).value_or(Cpus{});  // empty: memory only
  }
  return nodes;
}

std::set<int> numa_nodes_of(const std::map<int, Cpus>& nodes, const Cpus& cpus) {
  std::set<int> found;
  for (const auto& [number, own] : nodes)
    if (std::any_of(cpus.begin(), cpus.end(), [&](int cpu) { return std::binary_search(own.begin(), own.end(), cpu); }))
      found.insert(number);
  return found;
}

}  // namespace grit
