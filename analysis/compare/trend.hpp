// From which run on, or from which block on, a job's steps changed.
//
// A series of runs has one value a run, because whole runs are what is drawn anew (analysis/compare/compare.hpp). One
// run alone has one value a baseline block. Blocks of one run follow each other and are seldom independent, so there
// more is asked of a change: alpha 0.01, and a shift of at least three spreads. A change that cannot be told from a
// series that wanders is none, and then the answer is "cannot tell" (analysis/stats/change_points.hpp). A change is
// shown where there is none, of 8 to 32 values: of runs in at most 5 % up to an autocorrelation of 0.5 and 10 % at 0.8,
// of blocks in at most 1 % and 4 % (bench_calibration).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "analysis/compare/compared_run.hpp"
#include "analysis/compare/environment_diff.hpp"
#include "analysis/compare/machine_shift.hpp"

namespace grit {

struct TrendPoint {
  std::string run{};
  std::string started_utc{};
  int block = -1;        // Block::index; -1: the point is a whole run
  double median_ns = 0;  // of a step; of a run, the geometric mean over its baseline blocks
  double low_ns = 0;     // of a run, the fastest and the slowest of its baseline blocks; of a block, its median
  double high_ns = 0;
  LoadRange load{};  // what its machines went through
};

struct TrendChange {
  std::size_t first = 0;  // place of the first point after it
  double shift = 0;       // as a fraction, between the medians of the stretches before and after it
  double p = 1;
  std::string text{};                    // "from block 11 on steps are 8.0 % slower"
  std::vector<MachineShift> machines{};  // what they went through, of the same runs
  EnvironmentComparison environment{};   // of the runs of the stretches before and after it; empty for blocks
};

struct Trend {
  bool of_runs = true;
  std::vector<TrendPoint> points{};  // in order of time
  std::vector<TrendChange> changes{};
  double tolerance = 0.05;
  int exit_code = 2;  // 0: none, one beyond the tolerance would have been seen, and the newest are like the others
                      // within it; 1: one beyond it; 2: cannot tell
  std::string sentence{};
  std::vector<std::string> reasons{};
  std::vector<std::string> emulated{};
  std::vector<std::string> node_names{};  // by index
};

/// Needs at least one run; all must be comparable. Several runs are put into the order in which they began.
Trend find_changes(std::vector<ComparedRun> runs, double tolerance);

Json to_json(const Trend& trend);

}  // namespace grit
