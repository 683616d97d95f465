// "Slower than yesterday": the same workload on two days, and whether its steps became slower.
//
// Two runs of the same thing on the same machine differ by more than the steps within them say: caches, placement,
// neighbours and temperature are drawn anew with every run, and the thousand steps of one run share one draw. So the
// unit is the run: one figure each, the mean over its baseline blocks of the log of the block's mean step time, and the
// spread that counts is the one between runs (T. Kalibera and R. Jones, Rigorous benchmarking in reasonable time, ISMM
// 2013; A. Georges et al., Statistically rigorous Java performance evaluation, OOPSLA 2007). Which test follows from
// the numbers of runs alone, before any figure is seen:
//   4 + 4 runs, 3 + 5 and the like   the exact permutation test of the runs (its smallest p is below 0.05), and its
//                                    interval
//   fewer, but two on one side       Student's t on the logs (analysis/stats/two_samples.hpp)
//   one run a side                   nothing: the shift is given with the interval within the runs, and the verdict is
//                                    "inconclusive", because the spread between runs is not known
// Runs of one side that all came after those of the other cannot be exchanged when a machine wanders from run to run:
// the interval is widened by what their autocorrelation makes of it (analysis/stats/autocorrelation.hpp). Runs that
// came by turns need no widening. The verdict is of the mean, which is what a job pays; the median is shown beside it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analysis/compare/compared_run.hpp"
#include "analysis/compare/environment_diff.hpp"
#include "analysis/compare/location.hpp"
#include "analysis/compare/machine_shift.hpp"
#include "analysis/compare/shift.hpp"
#include "analysis/verdict/cost.hpp"

namespace grit {

/// none: the whole interval lies within the tolerance. slower, faster: the interval excludes 0 and is not within it.
enum class Change { none, slower, faster, inconclusive };
std::string_view to_string(Change change);  // "no change", "slower", "faster", "inconclusive"

/// 0 none, 1 slower or faster, 2 inconclusive.
int exit_code(Change change);

/// One run as a point.
struct RunPoint {
  std::string name{};
  std::string started_utc{};
  int blocks = 0;
  double mean_ns = 0;    // geometric mean over the baseline blocks of their mean step time; what is compared
  double median_ns = 0;  // likewise of their median
  double low_ns = 0;     // the fastest and the slowest block's mean
  double high_ns = 0;
  LoadRange load{};  // what its machines went through
};

struct Comparison {
  std::string workload{};  // "ddp"
  Change change = Change::inconclusive;
  double tolerance = 0.05;
  std::string sentence{};
  std::vector<std::string> reasons{};  // why inconclusive, what else differs, what is odd
  std::vector<std::string> emulated{};
  std::vector<RunPoint> before{}, after{};
  Shift mean{}, median{};
  std::optional<Shift> under_fault{};  // of the mean of the fault blocks, when both sides had the same faults
  std::optional<Location> location{};
  std::optional<WeeklyCost> cost{};  // only when steps are shown to take longer; of 1,000 GPUs, or by set_fleet()
  std::vector<RankPhases> phases_before{}, phases_after{};  // of ranks that are in all runs
  std::vector<std::string> node_names{};                    // by index
  EnvironmentComparison environment{};
  std::vector<MachineShift> machines{};  // what they went through, of all runs that know it
};

/// Needs at least one run a side. All must be comparable (check_comparable), or else be known not to be.
Comparison compare_runs(std::span<const ComparedRun> before, std::span<const ComparedRun> after, double tolerance);

/// Of which fleet a slowdown is to be said what it costs; no effect where none is shown. `bad_nodes`: so many of its
/// nodes are so slow; when nobody says: one where the slowdown is one node's, else all.
void set_fleet(Comparison& comparison, Fleet fleet, std::optional<double> bad_nodes);

/// Error (usage): two of the runs are the same directory, or their workload or topology differ (incomparable()); names
/// the differences. With `force` only the first is refused.
Status check_comparable(std::span<const ComparedRun> before, std::span<const ComparedRun> after, bool force);

/// The figures of one run, per step.
RunPoint run_point(const ComparedRun& run);

Json to_json(const Comparison& comparison);

}  // namespace grit
