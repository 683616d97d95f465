#include "analysis/score/detection.hpp"

#include <algorithm>

namespace grit {
namespace {

/// When injections were begun, in order of time, proven or not.
std::vector<std::int64_t> injected_ns(const ScoreInput& input) {
  std::vector<std::int64_t> all;
  for (const ScoreSlot& slot : input.slots)
    if (!slot.sham) all.push_back(slot.touched_ns);
  std::sort(all.begin(), all.end());
  return all;
}

/// The window's end. With the next injection it is over: what that one trips this one has not.
std::int64_t end_of_window(const ScoreInput& input, const ScoredCheck& check, const ScoreSlot& slot,
                           const std::vector<std::int64_t>& injected) {
  const auto next = std::upper_bound(injected.begin(), injected.end(), slot.onset_ns);
  const std::int64_t end_ns =
      std::min(slot.end_ns + check.grace_ns, input.nodes[static_cast<std::size_t>(slot.node)].until_ns);
  return next == injected.end() ? end_ns : std::min(end_ns, *next);
}

Detection detect_one(const ScoreInput& input, const Alarms& alarms, const Alarms& warnings, std::size_t check,
                     const ScoreSlot& slot, std::int64_t until_ns) {
  const ScoredCheck& info = input.checks[check];
  const auto node = static_cast<std::size_t>(slot.node);
  const AlarmTimeline& timeline = alarms.of(check, node);
  Detection result;
  result.watched_ns = std::max<std::int64_t>(0, until_ns - slot.onset_ns);
  result.on_at_onset = timeline.at(slot.onset_ns).alarming;
  result.unreadable = !timeline.readable_in(slot.onset_ns, until_ns);
  result.warned = warnings.of(check, node).first_edge(slot.onset_ns, until_ns) != nullptr;
  const AlarmEdge* elsewhere = nullptr;
  for (std::size_t other = 0; other < alarms.nodes(); ++other) {
    const AlarmEdge* edge = other == node ? nullptr : alarms.of(check, other).first_edge(slot.onset_ns, until_ns);
    if (edge != nullptr && (elsewhere == nullptr || edge->t_ns < elsewhere->t_ns)) elsewhere = edge;
  }
  if (const AlarmEdge* edge = timeline.first_edge(slot.onset_ns, until_ns)) {
    result.found = true;
    result.after_ns = edge->t_ns - slot.onset_ns;
    result.subject_right = timeline.has_edge(slot.onset_ns, until_ns, slot.subjects);
    result.node_right = !info.of_machine && (elsewhere == nullptr || edge->t_ns <= elsewhere->t_ns + info.period_ns);
    return result;
  }
  result.elsewhere = elsewhere != nullptr;
  result.late = timeline.first_edge(until_ns, slot.until_ns) != nullptr;
  return result;
}

}  // namespace

Detections detect(const ScoreInput& input, const Alarms& alarms, const Alarms& warnings) {
  Detections detections(input.checks.size());
  const std::vector<std::int64_t> injected = injected_ns(input);
  for (std::size_t check = 0; check < input.checks.size(); ++check)
    for (const ScoreSlot& slot : input.slots)
      detections[check].push_back(
          detect_one(input, alarms, warnings, check, slot, end_of_window(input, input.checks[check], slot, injected)));
  return detections;
}

}  // namespace grit
