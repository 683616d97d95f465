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
/// endless.
///
/// `carry_over` is the paired effect (analysis/stats/effect.hpp) of the second half of each recovery block against its
/// pair's baseline block: what stays after the fault went away. It needs as many pairs as any effect. `usable`: pairs
/// that count, by Block::pair. Empty when the plan has no recovery block that was measured. One pass; memory grows with
/// the steps of baseline and recovery blocks, not with ranks. Never fails: a step without a record of every rank is
/// left out.
std::optional<Recovery> recovery_after(const Plan& plan, std::span<const StepRecord> records, const RunTimes& times,
                                       std::span<const int> usable, int looks);

constexpr int kStepsInARow = 3;
constexpr double kBackQuantile = 0.95;

}  // namespace grit
