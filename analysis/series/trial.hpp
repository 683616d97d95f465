// What one trial of a series showed, from its finished run directory.
#pragma once

#include <filesystem>

#include "harness/base/result.hpp"
#include "harness/model/series.hpp"

namespace grit {

/// `verdict` is that of the run. The slowdown is of all complete pairs in which the faults were in force, whether or
/// not they did anything: a dose too low to act is a dose that costs nothing. Error: no plan.json, or a steps.npy that
/// is none.
Result<TrialResult> trial_result(const std::filesystem::path& run_directory, const Verdict& verdict);

}  // namespace grit
