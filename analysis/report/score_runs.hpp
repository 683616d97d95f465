// From finished runs to a scorecard's files.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>

#include "analysis/score/demand.hpp"
#include "analysis/score/scored_run.hpp"

namespace grit {

/// What kind of damage a planned fault is, by what is known of the fault only; mechanism and step times are added.
using CellOfFault = std::function<DamageCell(const PlannedFault&)>;

/// Adds a finished run. Error (usage): it is none, or add_run() refuses it.
Status add_finished_run(ScoreInput& input, const std::filesystem::path& run_directory, const CellOfFault& cell_of);

/// Writes score.json, score.csv and score.html into the directory, which is made if it is not there. Returns the page.
/// Error (internal): they cannot be written.
Result<std::filesystem::path> write_scorecard(const std::filesystem::path& directory, const ScoreInput& input,
                                              const Scorecard& card, const std::optional<DemandResult>& demand);

}  // namespace grit
