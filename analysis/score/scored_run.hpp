// What one finished run tells a scorecard.
#pragma once

#include <string>
#include <vector>

#include "analysis/facts/evidence.hpp"
#include "analysis/score/score_input.hpp"
#include "analysis/stats/effect.hpp"
#include "harness/record/json_lines.hpp"

namespace grit {

/// A finished run, as it is read from its directory.
struct ScoredRun {
  const Plan& plan;
  const JsonLines& events;
  const Json& clock;                    // clock.json
  std::vector<PairTimes> step_times{};  // of its pairs that count
};

/// The run's one fault that does something: all others are only its other ends. Error (usage): there are more, on
/// several nodes or of several kinds, so that nobody could tell which of them a check noticed, or none; or the run has
/// no checks, or no sham blocks.
Result<const PlannedFault*> scored_fault(const Plan& plan);

/// Adds the run's nodes, its checks (by their names, those that are there already once), its fault's blocks as
/// injections into `cell` and its sham blocks as shams. `cell` is merged with the one of the same fault, magnitude and
/// mechanism; its mechanism is the one that the node has used, its name the plan's option `damage`. Times go on where
/// those of the runs before end: nothing is compared across runs. Error (usage): as scored_fault().
Status add_run(ScoreInput& input, const ScoredRun& run, DamageCell cell);

}  // namespace grit
