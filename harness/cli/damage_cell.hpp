// What a scorecard calls the damage that a planned fault does.
#pragma once

#include "analysis/score/score_input.hpp"
#include "harness/model/plan.hpp"

namespace grit {

/// By the fault's size where it has one ("loss 1%", with it as the dose), else by how long it lasts. Mechanism and step
/// times are not filled in.
DamageCell damage_cell(const PlannedFault& fault);

}  // namespace grit
