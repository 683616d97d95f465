// By how much the step time of the runs of two sides differs. Which test follows from their numbers alone
// (analysis/compare/compare.hpp).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analysis/compare/compared_run.hpp"
#include "harness/base/json.hpp"

namespace grit {

enum class ShiftMethod { permutation, t, within_runs };

/// From the old runs to the new ones, as a fraction: 0.10 is 10 % slower. 95 % interval.
struct Shift {
  std::string statistic{};  // "mean" | "median" of the step times
  ShiftMethod method = ShiftMethod::within_runs;
  double estimate = 0;
  double ci_low = 0;  // within_runs: what the blocks of the two runs say; not the uncertainty of the shift
  double ci_high = 0;
  double p = 1;                        // within_runs: none
  double smallest_p = 0;               // that the permutation test could have given
  double degrees_of_freedom = 0;       // of t
  std::optional<double> between_runs;  // standard deviation of runs of the same side, as a fraction
  double inflation = 1;                // of the standard error, for runs that may wander (stats/autocorrelation.hpp)
};

/// Which figure of a block, and the blocks of one kind of a run.
using BlockFigure = double ComparedBlock::*;
using BlocksOfRun = std::vector<ComparedBlock> ComparedRun::*;

/// Needs at least one run a side, and of one run a side at least two blocks.
Shift shift_of(std::span<const ComparedRun> before, std::span<const ComparedRun> after, BlocksOfRun blocks,
               BlockFigure figure, std::string statistic);

/// The mean over the blocks of the logarithm of a figure: what a run counts as.
double mean_log(const std::vector<ComparedBlock>& blocks, BlockFigure figure);

Json to_json(const Shift& shift);

}  // namespace grit
