#include "analysis/facts/node_names.hpp"

#include <fmt/format.h>

namespace grit {

std::string name_of_node(const Topology& topology, std::int64_t node) {
  const auto& nodes = topology.nodes;
  if (node >= 0 && static_cast<std::size_t>(node) < nodes.size()) {  // its place, but in plans made by hand
    const Node& candidate = nodes[static_cast<std::size_t>(node)];
    if (candidate.index == node && !candidate.name.empty()) return candidate.name;
  }
  for (const Node& candidate : nodes)
    if (candidate.index == node && !candidate.name.empty()) return candidate.name;
  return fmt::format("node {}", node);
}

}  // namespace grit
