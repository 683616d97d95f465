// Alarms while nothing was wrong, and how long they could have come.
//
// Healthy is a time in which no damage is in force anywhere, and which is not near enough to some that an alarm could
// still be one of it: not between the onset and the end + the longest grace of all checks + one period, and not in a
// node's first two periods. Quiet times, lead-ins and shams are healthy. An episode begins when no alarm was on; it can
// begin only while the check can be read and none is on: that is the exposure. A check that is always on hardly has
// any, so the share of healthy time with an alarm is always said beside the rate.
#pragma once

#include <cstdint>
#include <vector>

#include "analysis/score/detection.hpp"
#include "analysis/stats/proportions.hpp"

namespace grit {

struct FalseAlarms {
  int episodes = 0;
  double exposure_h = 0;  // hours, of all nodes together
  double per_hour = 0;    // a node
  Interval interval{};    // of it: exact if episodes come independently of each other, 95 %; no exposure: 0 .. infinite
  double on_share = 0;    // of the healthy time in which it could be read
  int on_stretches = 0;   // in which that is
  double readable_h = 0;  // on or off
  Dispersion dispersion{};
  bool bursts = false;               // they hang together: the interval is too narrow
  int slots_alarmed = 0, slots = 0;  // then this is what counts: slots of a node in which one or more began
  int shams_fired = 0, shams = 0;
  Interval sham_interval{};  // of their share: exact, 95 %
  /// On in nearly all of its healthy time: it says nothing.
  [[nodiscard]] bool always_on() const { return on_share >= 0.95; }
};

struct TimeSpan {
  std::int64_t from_ns = 0, until_ns = 0;
};

/// In order of time, of a node and a check that is read with this period.
std::vector<TimeSpan> healthy_spans(const ScoreInput& input, std::size_t node, std::int64_t period_ns);

/// Of each check.
std::vector<FalseAlarms> false_alarms(const ScoreInput& input, const Alarms& alarms, const Detections& detections);

/// Of some checks as one, which alarms when any of them does.
FalseAlarms false_alarms_of_any(const ScoreInput& input, const Alarms& alarms, const std::vector<int>& checks);

}  // namespace grit
