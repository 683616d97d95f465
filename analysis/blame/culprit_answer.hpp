// What the search for the culprit found, as an answer in words.
#pragma once

#include <vector>

#include "harness/model/plan.hpp"
#include "harness/model/verdict.hpp"

namespace grit {

struct CulpritFindings {
  std::vector<Suspect> suspects{};  // the one that explains most first
  std::vector<int> outstanding{};   // nodes whose own work grew beyond noise and their peers'
  bool all_links_alike = false;     // the link test found every link slower
};

/// Communication that took longer, and nothing tells whether for the network or for want of CPUs.
bool is_untold(const Suspect& suspect);
/// Communication that took longer because of the network.
bool is_network(const Suspect& suspect);

/// Names the first suspect when it explains at least half of the loss and is a place (a node, a link, nodes in turn) or
/// a network whose node cannot be told; with it, or when together they explain half, those places of which each
/// explains a fifth. Storage that all nodes share is named only beside such a place.
Culprit answer_of(const Plan& plan, CulpritFindings findings);

}  // namespace grit
