#include "analysis/score/false_alarms.hpp"

#include <algorithm>
#include <limits>

namespace grit {
namespace {

constexpr double kNsPerHour = 3600e9;

/// What came of one stretch of time, or of several.
struct Watched {
  std::int64_t exposure_ns = 0, on_ns = 0;
  int episodes = 0, on_stretches = 0;
  void add(const Watched& other) {
    exposure_ns += other.exposure_ns, on_ns += other.on_ns;
    episodes += other.episodes, on_stretches += other.on_stretches;
  }
};

/// Readings that ended in (from, until], and the states between them.
Watched watch(const AlarmTimeline& timeline, const TimeSpan& span) {
  Watched watched;
  const auto& spans = timeline.spans();
  auto next = std::upper_bound(spans.begin(), spans.end(), span.from_ns,
                               [](std::int64_t t, const AlarmSpan& one) { return t < one.from_ns; });
  AlarmState state = timeline.at(span.from_ns);
  bool was_on = false;
  for (std::int64_t t_ns = span.from_ns; t_ns < span.until_ns;) {
    const std::int64_t until_ns = next == spans.end() ? span.until_ns : std::min(next->from_ns, span.until_ns);
    if (state.readable) (state.alarming ? watched.on_ns : watched.exposure_ns) += until_ns - t_ns;
    const bool on = state.readable && state.alarming && until_ns > t_ns;
    watched.on_stretches += on && !was_on ? 1 : 0;
    was_on = on || (was_on && until_ns == t_ns);
    t_ns = until_ns;
    if (next != spans.end() && next->from_ns <= t_ns) state = (next++)->state;
  }
  const auto& edges = timeline.edges();
  for (auto edge = std::upper_bound(edges.begin(), edges.end(), span.from_ns,
                                    [](std::int64_t t, const AlarmEdge&one) { return t < one.t_ns; });
       edge != edges.end() && edge->t_ns <= span.until_ns; ++edge)
    watched.episodes += edge->episode ? 1 : 0;
  return watched;
}

/// A line of time for each node.
using NodeTimelines = std::vector<const AlarmTimeline*>;

/// Counts of each slot on each node: whether episodes come alone is seen from them. What is expected goes by the time
/// in which the check could be read, and not by the exposure: an alarm ends its own, and would seem to come in no time.
void look_for_bursts(FalseAlarms& result, const ScoreInput& input, const NodeTimelines& timelines,
                     const std::vector<std::vector<TimeSpan>>& healthy) {
  std::vector<int> counts;
  std::vector<double> expected;  // first the time
  double episodes = 0, time_ns = 0;
  for (std::size_t node = 0; node < timelines.size(); ++node)
    for (const ScoreSlot& slot : input.slots) {
      Watched in_slot;
      auto span = std::lower_bound(healthy[node].begin(), healthy[node].end(), slot.begin_ns,
                                   [](const TimeSpan& one, std::int64_t t) { return one.until_ns <= t; });
      for (; span != healthy[node].end() && span->from_ns < slot.until_ns; ++span)
        in_slot.add(
            watch(*timelines[node], {std::max(span->from_ns, slot.begin_ns), std::min(span->until_ns, slot.until_ns)}));
      const auto readable_ns = static_cast<double>(in_slot.exposure_ns + in_slot.on_ns);
      if (readable_ns <= 0) continue;
      counts.push_back(in_slot.episodes);
      expected.push_back(readable_ns);
      episodes += in_slot.episodes, time_ns += readable_ns;
      ++result.slots;
      result.slots_alarmed += in_slot.episodes > 0 ? 1 : 0;
    }
  if (episodes < 2) return;
  for (double& one : expected) one *= episodes / time_ns;
  result.dispersion = dispersion(counts, expected);
  constexpr double kIndexOfBursts = 2;
  result.bursts = result.dispersion.index > kIndexOfBursts && result.dispersion.p < 0.05;
}

FalseAlarms count(const ScoreInput& input, const NodeTimelines& timelines, std::int64_t period_ns) {
  std::vector<std::vector<TimeSpan>> healthy;
  Watched all;
  for (std::size_t node = 0; node < timelines.size(); ++node) {
    healthy.push_back(healthy_spans(input, node, period_ns));
    for (const TimeSpan& span : healthy.back()) all.add(watch(*timelines[node], span));
  }
  FalseAlarms result;
  result.episodes = all.episodes;
  result.exposure_h = static_cast<double>(all.exposure_ns) / kNsPerHour;
  const auto readable_ns = static_cast<double>(all.exposure_ns + all.on_ns);
  result.readable_h = readable_ns / kNsPerHour;
  result.on_share = readable_ns > 0 ? static_cast<double>(all.on_ns) / readable_ns : 0;
  result.on_stretches = all.on_stretches;
  result.interval = {0, std::numeric_limits<double>::infinity()};
  if (all.exposure_ns > 0) {
    const Interval number = garwood(all.episodes);
    result.per_hour = all.episodes / result.exposure_h;
    result.interval = {number.low / result.exposure_h, number.high / result.exposure_h};
  }
  look_for_bursts(result, input, timelines, healthy);
  return result;
}

}  // namespace

std::vector<TimeSpan> healthy_spans(const ScoreInput& input, std::size_t node, std::int64_t period_ns) {
  std::int64_t longest_ns = 0;
  for (const ScoredCheck& check : input.checks) longest_ns = std::max(longest_ns, check.grace_ns);
  std::vector<TimeSpan> damaged;
  for (const ScoreSlot& slot : input.slots)
    if (!slot.sham) damaged.push_back({std::min(slot.touched_ns, slot.onset_ns), slot.end_ns + longest_ns + period_ns});
  std::sort(damaged.begin(), damaged.end(), [](const TimeSpan& a, const TimeSpan& b) { return a.from_ns < b.from_ns; });
  std::vector<TimeSpan> healthy;
  std::int64_t from_ns = input.nodes[node].from_ns + 2 * period_ns;
  const std::int64_t until_ns = input.nodes[node].until_ns;
  for (const TimeSpan& one : damaged) {
    if (const std::int64_t end_ns = std::min(one.from_ns, until_ns); end_ns > from_ns)
      healthy.push_back({from_ns, end_ns});
    from_ns = std::max(from_ns, one.until_ns);
  }
  if (until_ns > from_ns) healthy.push_back({from_ns, until_ns});
  return healthy;
}

std::vector<FalseAlarms> false_alarms(const ScoreInput& input, const Alarms& alarms, const Detections& detections) {
  std::vector<FalseAlarms> all;
  for (std::size_t check = 0; check < input.checks.size(); ++check) {
    NodeTimelines timelines;
    for (std::size_t node = 0; node < alarms.nodes(); ++node) timelines.push_back(&alarms.of(check, node));
    FalseAlarms& one = all.emplace_back(count(input, timelines, input.checks[check].period_ns));
    for (std::size_t i = 0; i < input.slots.size(); ++i) {
      if (!input.slots[i].sham) continue;
      ++one.shams;
      one.shams_fired += detections[check][i].found ? 1 : 0;
    }
    one.sham_interval = clopper_pearson(one.shams_fired, one.shams);
  }
  return all;
}

FalseAlarms false_alarms_of_any(const ScoreInput& input, const Alarms& alarms, const std::vector<int>& checks) {
  std::vector<AlarmTimeline> together;
  std::int64_t period_ns = 0;
  for (const int check : checks)
    period_ns = std::max(period_ns, input.checks[static_cast<std::size_t>(check)].period_ns);
  for (std::size_t node = 0; node < alarms.nodes(); ++node) {
    std::vector<const AlarmTimeline*> timelines;
    for (const int check : checks) timelines.push_back(&alarms.of(static_cast<std::size_t>(check), node));
    together.push_back(any_of(timelines));
  }
  NodeTimelines timelines;
  for (const AlarmTimeline& one : together) timelines.push_back(&one);
  return count(input, timelines, period_ns);
}

}  // namespace grit
