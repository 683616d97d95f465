// Did a run's own baseline change along the way, block by block? Its blocks follow each other and are seldom
// independent, so more is asked of a change than between whole runs (analysis/compare/trend.hpp has the error rates).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analysis/records/block_times.hpp"
#include "analysis/stats/change_points.hpp"
#include "harness/model/plan.hpp"

namespace grit {

constexpr ChangePointOptions kOfBlocks{.alpha = 0.01};

/// Changes among logarithms of blocks' step times: those at alpha 0.01 whose shift is three spreads or more; with those
/// that cannot be told from a baseline that wanders.
std::vector<ChangePoint> changes_of_blocks(std::span<const double> log_times);

/// "8.0 % slower", of a shift between logarithms.
std::string shift_words(double log_shift);

/// A word on a run whose own baseline blocks changed along the way by 5 % or more, for the verdict's remarks: "baseline
/// steps became 8.0 % slower from block 11 on ...". Empty when none did, or there are too few to tell. `times`: of
/// block_times().
std::optional<std::string> baseline_change_remark(const Plan& plan, const RunTimes& times);

}  // namespace grit
