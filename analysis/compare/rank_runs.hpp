// What each rank did in every run of two days, and how much of its own work is more than its peers'.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "analysis/compare/compared_run.hpp"

namespace grit {

/// Time of a step in each of kStepPhases.
using PhaseTimes = std::array<double, kStepPhases.size()>;

/// All but waiting for others.
double own_ns(const PhaseTimes& phases);

/// One rank in all runs, the old ones first.
struct RankRuns {
  int rank = 0;
  int node = 0;
  std::vector<PhaseTimes> runs{};
  PhaseTimes growth_ns{};  // mean of the new runs less mean of the old ones

  [[nodiscard]] double step_growth_ns() const;
};

/// Ranks that are in every run, by number.
std::vector<RankRuns> rank_runs(std::span<const ComparedRun> before, std::span<const ComparedRun> after);

/// What a common change does to unequal ranks: it adds the same time to all, or the same share of their work.
enum class Scale { added, multiplied };

/// By rank and run: own work about the rank's mean over all runs, beyond the median of what its peers have; above 0 is
/// more. Nothing in it depends on which runs are the new ones.
std::vector<std::vector<double>> beyond_peers_ns(std::span<const RankRuns> ranks, Scale scale);

}  // namespace grit
