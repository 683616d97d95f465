// What a prediction says, in words.
#pragma once

#include <string>
#include <vector>

#include "analysis/simulate/upward.hpp"

namespace grit {

/// "everything (played upward from a run of 4 ranks)", for Plan::emulated.
std::string emulated_by_simulation(const Prediction& prediction);
/// Was a plan's run simulated?
bool is_simulated(const Plan& plan);

/// The step's time and the fault's cost with their intervals, then Prediction::warnings; a sentence each.
std::vector<std::string> prediction_sentences(const Prediction& prediction);

}  // namespace grit
