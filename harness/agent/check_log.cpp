#include "harness/agent/check_log.hpp"

#include <algorithm>
#include <utility>

#include "harness/model/event.hpp"

namespace grit {
namespace {

/// Of one node in one block: a check that changes its mind at every reading, or about hundreds of subjects, must not
/// fill the disk. What it found counts all the same.
constexpr int kMostChanges = 1000;

}  // namespace

void CheckLog::take(const Name& name, std::optional<int> block, const CheckReading& reading) {
  OfCheck& check = checks_[reading.place];
  check.name = name;
  if (block) count(check.counts, reading);
  tell_gone(check, block, reading);
  for (const Outcome& outcome : reading.outcomes) {
    const auto [last, is_new] = check.last.try_emplace(outcome.subject, outcome.severity);
    if (!is_new && std::exchange(last->second, outcome.severity) == outcome.severity) continue;
    tell_change(check, block, reading, outcome);
  }
}

void CheckLog::count(Counts& counts, const CheckReading& reading) const {
  const auto is_missing = [](const Outcome& one) { return one.severity == Severity::unknown && !one.not_here; };
  const auto missing = std::find_if(reading.outcomes.begin(), reading.outcomes.end(), is_missing);
  Severity worst = worst_of(reading.outcomes);
  // That a part could not be seen, and the rest is well, is not that all is well.
  if (worst == Severity::ok && missing != reading.outcomes.end()) worst = Severity::unknown;
  counts.cpu_ns += reading.cpu_ns;
  counts.longest_ns = std::max(counts.longest_ns, reading.ended_ns - reading.began_ns);
  if (worst != Severity::unknown) {
    counts.readings += 1;
    counts.alarms += is_alarm(worst) ? 1 : 0;
    counts.warnings += worst == Severity::warning ? 1 : 0;
    return;
  }
  const bool nothing_here = missing == reading.outcomes.end();
  counts.not_here = nothing_here && (counts.not_made == 0 || counts.not_here);
  if (counts.not_made++ > 0 && !(counts.obstacle_is_none && !nothing_here)) return;
  counts.obstacle_is_none = nothing_here;
  if (!reading.outcomes.empty()) counts.obstacle = (nothing_here ? reading.outcomes.front() : *missing).detail;
}

/// What was reported once, and is not named by a reading that could be made, is well again.
void CheckLog::tell_gone(OfCheck& check, std::optional<int> block, const CheckReading& reading) {
  if (worst_of(reading.outcomes) == Severity::unknown) return;
  for (auto& [subject, severity] : check.last) {
    const bool named = std::any_of(reading.outcomes.begin(), reading.outcomes.end(),
                                   [&](const Outcome& one) { return one.subject == subject; });
    if (named || severity == Severity::ok) continue;
    severity = Severity::ok;
    tell_change(check, block, reading,
                {.severity = Severity::ok, .subject = subject, .detail = "is not named any more"});
  }
}

Json CheckLog::event_of(std::string_view type, const Name& name) const {
  Json event = make_event(type, node_);
  event["check"] = name.label;
  if (!name.info.of_links) event["of_links"] = false;
  if (name.info.of_machine && of_machine_) event["of_machine"] = true;
  return event;
}

void CheckLog::tell_change(const OfCheck& check, std::optional<int> block, const CheckReading& reading,
                           const Outcome& outcome) {
  if (++changes_ > kMostChanges) return;
  Json event = event_of("check_change", check.name);
  event["t_ns"] = reading.ended_ns;
  if (block) event["block"] = *block;
  event.update(to_json(outcome));
  if (changes_ == kMostChanges) event["last"] = true;
  emit_(std::move(event));
}

void CheckLog::end_block(int block) {
  changes_ = 0;
  for (auto& [place, check] : checks_) {
    const Counts counts = std::exchange(check.counts, {});
    if (counts.readings + counts.not_made == 0) continue;
    Json event = event_of("check_summary", check.name);
    event["block"] = block;
    event["readings"] = counts.readings;
    event["failures"] = counts.alarms;
    event["warnings"] = counts.warnings;
    event["not_made"] = counts.not_made;
    event["cpu_ns"] = counts.cpu_ns;
    event["longest_ns"] = counts.longest_ns;
    if (counts.not_made > 0) event["detail"] = counts.obstacle;
    if (counts.not_here) event["not_here"] = true;
    emit_(std::move(event));
  }
}

}  // namespace grit
