#include "analysis/facts/check_readings.hpp"

#include <algorithm>

#include "analysis/facts/node_names.hpp"
#include "harness/base/json_fields.hpp"

namespace grit {

void CheckReadings::take(const Json& event) {
  const std::string name = text_at(event, "check");
  const std::int64_t block = integer_at(event, "block");
  if (name.empty() || block < 0 || static_cast<std::size_t>(block) >= plan_.blocks.size()) return;
  State& check = state_of(name, event);
  if (static_cast<std::size_t>(block) != check.block) settle_changes(check);
  check.block = static_cast<std::size_t>(block);
  if (text_at(event, "type") == "check_summary")
    take_summary(check, event);
  else
    take_reading(check, event);
}

std::vector<CheckEvidence> CheckReadings::finish() {
  std::vector<CheckEvidence> checks;
  for (auto& [where, check] : checks_) {
    settle_changes(check);
    CheckEvidence& evidence = check.evidence;
    const auto made = [](const CheckEvidence::Readings& block) { return block.made > 0; };
    if (std::any_of(evidence.blocks.begin(), evidence.blocks.end(), made)) evidence.result.not_here = false;
    checks.push_back(std::move(evidence));
  }
  return checks;
}

CheckReadings::State& CheckReadings::state_of(const std::string& name, const Json& event) {
  const std::int64_t node = integer_at(event, "node");
  State& check = checks_[{name, node}];
  if (check.evidence.blocks.empty()) {
    check.evidence.result.name = name;
    check.evidence.result.node = truth_at(event, "of_machine") ? std::string(kTheMachine) : name_of_node(plan_, node);
    check.evidence.result.of_links = !event.contains("of_links") || truth_at(event, "of_links");
    check.evidence.blocks.resize(plan_.blocks.size());
  }
  return check;
}

/// A reading, of which every one was an event before there were summaries. It said "ok" before there were severities.
void CheckReadings::take_reading(State& check, const Json& event) {
  Counts& counts = check.changes;
  const std::string severity = text_at(event, "severity");
  const bool is_made = severity.empty() ? event.contains("ok") : severity != "unknown";
  const bool is_well = severity.empty() ? truth_at(event, "ok") : severity == "ok";
  if (is_made)
    ++counts.readings, counts.failures += is_well ? 0 : 1;
  else if (counts.not_made++ == 0)
    counts.obstacle = text_at(event, "detail");
}

void CheckReadings::take_summary(State& check, const Json& event) {
  check.changes = {};  // they are in it
  const auto number = [&](const char* key) {
    return static_cast<int>(std::clamp<std::int64_t>(integer_at(event, key, 0), 0, 1'000'000));
  };
  count(check.evidence, check.block,
        {.readings = number("readings"),
         .failures = number("failures"),
         .not_made = number("not_made"),
         .obstacle = text_at(event, "detail"),
         .not_here = truth_at(event, "not_here"),
         .cpu_ns = integer_at(event, "cpu_ns", 0),
         .longest_ns = integer_at(event, "longest_ns", 0)});
}

/// Without a summary (the agent died in the block) the changes are all that is known of its readings.
void CheckReadings::settle_changes(State& check) {
  count(check.evidence, check.block, std::exchange(check.changes, {}));
}

void CheckReadings::count(CheckEvidence& check, std::size_t block, const Counts& counts) const {
  CheckResult& result = check.result;
  check.blocks[block].made += counts.readings;
  check.blocks[block].failed += counts.failures;
  if (counts.not_made > 0) {
    // What once was there and is not any more is worth a word, and so is anything else that was in the way.
    if (result.not_made == 0 || (result.not_here && !counts.not_here)) result.obstacle = counts.obstacle;
    result.not_here = counts.not_here && (result.not_made == 0 || result.not_here);
  }
  result.cpu_ns += counts.cpu_ns;
  result.longest_ns = std::max(result.longest_ns, counts.longest_ns);
  result.not_made += counts.not_made;
  const BlockKind kind = plan_.blocks[block].kind;
  if (kind == BlockKind::baseline) result.baseline_runs += counts.readings, result.baseline_failures += counts.failures;
  if (kind == BlockKind::fault) result.fault_runs += counts.readings, result.fault_failures += counts.failures;
}

}  // namespace grit
