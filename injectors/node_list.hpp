// Lists of nodes in faults between nodes: as a scenario writes them, and short in the plan.
#pragma once

#include <string>
#include <vector>

#include "harness/base/json.hpp"
#include "harness/base/result.hpp"
#include "harness/model/topology.hpp"

namespace grit {

/// The nodes that `text`, the parameter `name` of a fault, says: "all", "others" (all but those in `on`), or a list
/// such as "1,3-5". In ascending order, each once. Error (usage): it is none of these, or names a node that is not
/// there.
Result<std::vector<int>> listed_nodes(const std::string& name, const std::string& text, const Topology& topology,
                                      const std::vector<int>& on);

/// The nodes as such a list.
std::string node_list_text(const std::vector<int>& ascending);

/// [[0, 499], [501, 501]]: all from a first to a last one. The list of all nodes is in the plan once for every node.
Json node_ranges(const std::vector<int>& ascending);
/// The nodes again. Error (usage): not such a list, or of more than `nodes` nodes.
Result<std::vector<int>> nodes_of_ranges(const Json& ranges, std::size_t nodes);

/// The addresses of a NIC of this name, without their prefix length, and without link-local ones, which say nothing on
/// another node.
std::vector<std::string> addresses_of(const Nic& nic);

}  // namespace grit
