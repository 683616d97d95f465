// What follows after a fault: does the step time come back, and how soon?
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "analysis/records/block_times.hpp"
#include "harness/model/plan.hpp"
#include "harness/model/step_record.hpp"
#include "harness/model/verdict.hpp"

namespace grit {

/// From the recovery blocks, each of which begins when its pair's fault block ends and the fault is off.
///
/// Back is the first of kStepsInARow steps that are all within what the run's baseline blocks show: at or below the
/// 95th percentile of the baseline's step times. By chance alone a healthy run breaks such a row of three in one of
/// seven, which only delays the answer by a step or two. `recovered` counts the blocks in which that happened, `p50_ns`
/// is the median time from the block's first step to the first such step's start, where a block without one counts as
/// endless, and `p50_ci_ns` its interval over blocks (analysis/stats/median_interval.hpp), each end at 5 % shared
/// between the looks.
///
/// `carry_over` is the paired effect (analysis/stats/effect.hpp) of the last steps of each recovery block against as
/// many last steps of its pair's baseline block: what stays after the fault went away. They are those of the recovery
/// block's second half, or fewer where the baseline has fewer: mean and median of many steps are not distributed like
/// those of few. It needs as many pairs as any effect.
///
/// `usable`: pairs that count, by Block::pair. Empty when the plan has no recovery block that was measured. One pass;
/// memory grows with the steps of baseline and recovery blocks, not with ranks. Never fails: a step of which too few
/// ranks left a record (is_known_by()) is left out.
std::optional<Recovery> recovery_after(const Plan& plan, std::span<const StepRecord> records,
                                       std::span<const int> usable, int looks);

constexpr int kStepsInARow = 3;
constexpr double kBackQuantile = 0.95;

/// Is "steps are back within so long" met? Yes when the whole interval of the median lies at or below it, no when it
/// lies above; else empty.
std::optional<bool> is_back_within(const Recovery& recovery, double within_ns);

}  // namespace grit
