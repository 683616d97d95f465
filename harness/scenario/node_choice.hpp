// Which nodes a scenario's selectors mean on the cluster of a plan.
#pragma once

#include <cstdint>
#include <vector>

#include "harness/model/plan.hpp"
#include "harness/scenario/seeded_choice.hpp"

namespace grit {

struct ChosenNodes {
  std::vector<int> nodes{};
  AxisValues at{};  // the coordinates that they were chosen by; empty: otherwise
};

/// The nodes of every draw of the scenario, by its place.
using DrawnNodes = std::vector<ChosenNodes>;

/// The plan has its topology and mesh already, here and below. Error (usage): a node or a coordinate that is not there.
Result<ChosenNodes> choose_nodes(const NodeSelector& on, const Plan& plan, const DrawnNodes& drawn,
                                 SeededChoice& choice);

/// Among the nodes that `taken` leaves. Error (usage): as above, one of these is named, or none is left.
Result<ChosenNodes> choose_others(const NodeSelector& on, const Plan& plan, const std::vector<int>& taken,
                                  SeededChoice& choice);

/// Each draw from a stream of its own, by its number in the order in which the scenario draws: it is the same whatever
/// faults are left out and whatever is drawn after it, and another when one is drawn before it that was not. Error
/// (usage): as above, with the draw's place.
Result<DrawnNodes> draw_nodes(const Scenario& scenario, const Plan& plan, std::uint64_t seed);

}  // namespace grit
