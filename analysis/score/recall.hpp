// How often each check notices each kind of damage, and whether that is more than chance.
#pragma once

#include <optional>
#include <vector>

#include "analysis/score/detection.hpp"
#include "analysis/stats/survival.hpp"

namespace grit {

/// What is claimed of all checks and all cells together is wrong in at most so many scorecards.
constexpr double kCreditAlpha = 0.05;

/// Of one check and one cell, over the cell's proven injections.
struct Recall {
  int check = 0, cell = 0;
  int found = 0, of = 0;
  Interval interval{};  // of the share found: exact, 95 %, of this cell alone
  /// Found more often than shams, beyond chance: the one-sided exact test, corrected over all checks and cells (Holm).
  /// Without it nobody may say that the check notices the damage.
  bool credited = false;
  double p = 1;                    // corrected
  double p_alone = 1;              // not corrected: of this check and this cell
  int shams_fired = 0, shams = 0;  // those that were held against it, each about as long, or made of shorter ones
  int warned = 0, on_at_onset = 0, unreadable = 0;
  int elsewhere = 0, late = 0;            // of those not found
  int subject_right = 0, node_right = 0;  // of those found
  /// Nanoseconds to detection over all injections, those that were missed among them.
  WaitedMedian to_detection{};
  std::optional<double> median_of_found_ns{};  // too short: it leaves out those that take long
};

/// A row for each check and each cell, check by check.
std::vector<Recall> recalls(const ScoreInput& input, const Detections& detections);

}  // namespace grit
