// Whom a scenario expects to be to blame, on a cluster whose nodes are known.
#pragma once

#include <string>

#include "harness/model/plan.hpp"

namespace grit {

/// Whether a selector of Expectation::culprit, or wrong_values_from, takes this node: a list by its numbers, any other
/// one each node on which the plan puts a fault.
bool is_expected_node(const Plan& plan, const NodeSelector& on, int node);

/// Whether it takes every one of several nodes: then what all do alike is expected, and no node alone.
bool are_all_expected(const Plan& plan, const NodeSelector& on);

/// "culprit node1 or node2, network"; "culprit all nodes, network".
std::string expected_text(const Plan& plan, const ExpectedCulprit& expected);
/// "wrong values from node1 or node2"
std::string expected_senders_text(const Plan& plan, const NodeSelector& from);

}  // namespace grit
