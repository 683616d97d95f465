#include "harness/model/expected_culprit.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

namespace grit {

bool is_expected_node(const Plan& plan, const NodeSelector& on, int node) {
  if (on.kind == NodeSelector::Kind::list) return std::find(on.nodes.begin(), on.nodes.end(), node) != on.nodes.end();
  return std::any_of(plan.faults.begin(), plan.faults.end(),
                     [&](const PlannedFault& fault) { return !fault.passive && fault.node == node; });
}

bool are_all_expected(const Plan& plan, const NodeSelector& on) {
  const auto& nodes = plan.topology.nodes;
  return nodes.size() > 1 && std::all_of(nodes.begin(), nodes.end(),
                                         [&](const Node& node) { return is_expected_node(plan, on, node.index); });
}

namespace {

/// "all nodes", "node1 or node2"
std::string expected_nodes_text(const Plan& plan, const NodeSelector& on) {
  if (are_all_expected(plan, on)) return "all nodes";
  std::set<std::string> names;
  for (const Node& node : plan.topology.nodes)
    if (is_expected_node(plan, on, node.index)) names.insert(node.name);
  return fmt::format("{}", fmt::join(names, " or "));
}

}  // namespace

std::string expected_senders_text(const Plan& plan, const NodeSelector& from) {
  return "wrong values from " + expected_nodes_text(plan, from);
}

std::string expected_text(const Plan& plan, const ExpectedCulprit& expected) {
  const std::string nodes = expected.on ? expected_nodes_text(plan, *expected.on) : "";
  if (nodes.empty()) return "culprit " + expected.resource;
  return fmt::format("culprit {}{}{}", nodes, expected.resource.empty() ? "" : ", ", expected.resource);
}

}  // namespace grit
