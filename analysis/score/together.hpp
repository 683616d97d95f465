// Which checks fire together, and which few find all that is found.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "analysis/score/false_alarms.hpp"
#include "analysis/score/recall.hpp"

namespace grit {

/// Of the injections that the row's check found: how many the column's found, too.
struct Together {
  int both = 0, of = 0;
  /// The column's time to detection less the row's, the median over those that both found.
  std::optional<double> lag_ns{};
};

struct CoFiring {
  std::vector<int> order{};                         // of checks: those that fire together beside each other
  std::vector<std::vector<Together>> pairs{};       // by check, not by place
  std::vector<std::pair<int, int>> say_the_same{};  // both found the same injections, and ten or more
};

/// Over all proven injections. The order is that of average linkage (R. R. Sokal and C. D. Michener, 1958) over
/// Jaccard's distance: 1 less the share of injections found by either that both found.
CoFiring co_firing(const ScoreInput& input, const Detections& detections);

struct CoverStep {
  int check = 0;
  double recall = 0;           // of the set so far, each cell counting alike, what no check found among it
  FalseAlarms false_alarms{};  // of the set so far as one
  double cpu_s_per_hour = 0;   // a node
};

/// On how many injections that had no part in choosing it a set finds something.
struct HeldOut {
  int found = 0, of = 0;
  Interval interval{};                   // exact, 95 %
  std::vector<std::vector<int>> sets{};  // chosen on odd rounds and on even ones; one when they are the same
};

struct Cover {
  std::vector<CoverStep> steps{};
  std::size_t enough = 0;             // steps after which each adds less than 1 %
  std::optional<HeldOut> held_out{};  // empty: fewer than four rounds
};

/// The check that adds most, again and again (V. Chvatal, Math. of Operations Research 4, 1979: at most 1 + ln n times
/// as many as the fewest). Only what is credited counts as found. Of those that add as much the one that alarms less
/// while nothing is wrong, then the cheaper one.
Cover greedy_cover(const ScoreInput& input, const Alarms& alarms, const Detections& detections,
                   const std::vector<Recall>& recalls, const std::vector<FalseAlarms>& false_alarms);

}  // namespace grit
