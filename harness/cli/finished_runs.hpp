// Which finished runs `grit score DIRECTORY ...` takes.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "analysis/score/score_input.hpp"
#include "harness/model/damages.hpp"

namespace grit {

struct FinishedRuns {
  std::vector<std::filesystem::path> runs{};  // each once, in the order in which they were named, then by their paths
  std::vector<NotRun> not_run{};              // of the scorecards among the directories
  std::optional<Damages> damages{};           // what is scored is this scorecard, and nothing else
};

/// The runs that are in these places, at any depth: a run directory, all that a directory has below it (a series has
/// its trials in a folder; links are not followed), and of one that `grit score SCENARIO` has filled those that count,
/// with what was not run. What was cut off and put aside counts only if it is named itself, and what is reached twice
/// once. Error (usage): a place has no run in it. Error (unavailable): a directory cannot be read.
Result<FinishedRuns> find_finished_runs(const std::vector<std::string>& places);

}  // namespace grit
