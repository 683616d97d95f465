// What a node is called.
#pragma once

#include <cstdint>
#include <string>

#include "harness/model/plan.hpp"

namespace grit {

/// "node1"; "node 7" of one that has no name there.
std::string name_of_node(const Topology& topology, std::int64_t node);
inline std::string name_of_node(const Plan& plan, std::int64_t node) { return name_of_node(plan.topology, node); }

}  // namespace grit
