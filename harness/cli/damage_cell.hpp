// What a scorecard calls the damage that a planned fault does.
#pragma once

#include "analysis/score/score_input.hpp"
#include "harness/model/plan.hpp"

namespace grit {

/// By the fault's size where it has one, with that as the dose, else by how long it lasts; and by whatever else is not
/// as the fault comes: "loss 1%, direction both, 1s", "100ms", "3 x 100ms" (several in a block have no dose). Two
/// faults that differ in more than nodes, ranks and when they come are called differently. Mechanism and step times are
/// not filled in.
DamageCell damage_cell(const PlannedFault& fault);

}  // namespace grit
