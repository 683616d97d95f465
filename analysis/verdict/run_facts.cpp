#include "analysis/verdict/run_facts.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/facts/node_names.hpp"
#include "analysis/stats/median.hpp"
#include "analysis/verdict/left_behind.hpp"

namespace grit {
namespace {

double median_baseline_ns(const Plan& plan, const RunTimes& times) {
  std::vector<double> means;
  for (std::size_t i = 0; i < plan.blocks.size(); ++i)
    if (plan.blocks[i].kind == BlockKind::baseline && times.blocks[i].complete)
      means.push_back(times.blocks[i].mean_ns);
  return median(std::move(means));
}

/// Values that were wrong outside of blocks in which a fault of the plan does that.
class WrongOutside {
 public:
  explicit WrongOutside(const Plan& plan) {
    for (const Block& block : plan.blocks) expected_.push_back(corrupts_data_in(plan, block.index));
  }
  void take(std::span<const StepRecord> records) {
    for (const StepRecord& record : records)
      if (record.corrupted > 0 && (record.block >= expected_.size() || !expected_[record.block]))
        values_ += record.corrupted;
  }
  [[nodiscard]] std::uint64_t values() const { return values_; }

 private:
  std::vector<bool> expected_;  // by block
  std::uint64_t values_ = 0;
};

/// What the verdict needs of the records.
struct RunSums {
  RunTimes times;
  std::uint64_t wrong_outside;
  BlockEnds ends;
  OwnWork work;
};

/// Stretch by stretch: the records then come from memory once, and for all but the first sum from the cache.
RunSums sum_run(const Plan& plan, std::span<const StepRecord> records, std::span<const CollectiveRecord> spans,
                const Json& clock) {
  constexpr std::size_t kStretch = 2048;  // 208 KiB
  BlockTimesSum times(plan, records.size());
  WrongOutside wrong(plan);
  BlockEnds ends(plan);
  OwnWorkSum work(plan, NodeClocks(plan, clock), records.size());
  for (std::size_t first = 0; first < records.size(); first += kStretch) {
    const auto stretch = records.subspan(first, std::min(kStretch, records.size() - first));
    times.take(stretch);
    wrong.take(stretch);
    ends.take(stretch);
    work.take(stretch);
  }
  RunSums sums{times.finish(), wrong.values(), std::move(ends), work.finish()};
  add_graphs(sums.work, plan, records, spans, NodeClocks(plan, clock));
  return sums;
}

FaultResult count_windows(const RunFacts& facts, const DoneBlocks& blocks, std::size_t place) {
  const PlannedFault& fault = facts.plan.faults[place];
  const FaultEvidence& evidence = facts.evidence.faults[place];
  FaultResult result;
  result.name = fault.name;
  result.node = name_of_node(facts.plan, fault.node);
  result.device = fault.device;
  result.mechanism = evidence.mechanism.empty() ? fault.mechanism : evidence.mechanism;
  result.acted = evidence.acted;
  result.onset = facts.timing.faults[place].onset;
  result.end = facts.timing.faults[place].end;
  for (std::size_t block = 0; block < facts.plan.blocks.size(); ++block) {
    const WindowEvidence& window = evidence.blocks[block];
    result.unreverted += window.unreverted ? 1 : 0;  // in link tests and sham blocks, too
    if (facts.plan.blocks[block].kind != BlockKind::fault || !(blocks.began(block) || window.began)) continue;
    result.windows += 1;
    result.applied += window.applied ? 1 : 0;
    result.acting += window.acting ? 1 : 0;
    result.unread += window.may_have_taken_effect() ? 1 : 0;
    result.reverted += window.touched && !window.unreverted ? 1 : 0;
  }
  return result;
}

/// Of faults that took effect in no window, if they are more than few: is it known that they did not?
void note_faults_without_effect(RunFacts& facts) {
  const auto without_effect = [&](std::size_t fault) {
    const auto& blocks = facts.evidence.faults[fault].blocks;
    return facts.faults[fault].windows > 0 &&
           std::none_of(blocks.begin(), blocks.end(), [](const auto& window) { return window.took_effect(); });
  };
  facts.never_took_effect = !are_few_idle(
      facts.plan, [&](std::size_t fault) { return without_effect(fault) && facts.faults[fault].unread == 0; });
  facts.unread = !facts.never_took_effect && !are_few_idle(facts.plan, without_effect);
}

/// Those that the records count, and of whom ranks told examples.
void note_wrong_data(RunFacts& facts, std::uint64_t outside) {
  if (facts.times.corrupted_values == 0) return;
  facts.wrong_data =
      facts.evidence.wrong_data.value_or(WrongData{.text = "who sent them cannot be told: no rank told of an example"});
  facts.wrong_data->values = facts.times.corrupted_values;
  facts.wrong_data->outside = outside;
}

void set_outcome(RunFacts& facts, std::size_t done) {
  const RunEvidence& evidence = facts.evidence;
  const std::size_t due = evidence.blocks_due;
  if (done < due) facts.outcome = "failed";
  if (facts.wrong_data && facts.wrong_data->outside > 0) {
    facts.outcome = "corruption";
    facts.ending =
        fmt::format("{} reduced values were wrong: data were corrupted on the way", facts.wrong_data->outside);
    facts.reasons.push_back(facts.ending);
  }
  const bool counted = facts.outcome == "corruption" && evidence.ending == "corruption";
  if (!evidence.ending.empty() && !counted) {
    facts.outcome = evidence.ending;
    facts.ending = evidence.ending_reason;
    facts.reasons.push_back(facts.ending);
  }
  if (done == due || facts.ended_as_expected()) return;
  const std::string missing = fmt::format("only {} of {} blocks were completed", done, due);
  if (facts.ending.empty()) facts.ending = missing;
  facts.reasons.push_back(missing);
}

}  // namespace

RunFacts gather_facts(const Plan& plan, std::span<const StepRecord> records, const JsonLines& events, const Json& clock,
                      std::span<const CollectiveRecord> spans) {
  RunSums sums = sum_run(plan, records, spans, clock);
  RunFacts facts{.plan = plan, .times = std::move(sums.times), .work = std::move(sums.work)};
  facts.evidence = collect_evidence(plan, events, clock);
  facts.timing = fault_timing(plan, sums.ends, events, clock);
  const DoneBlocks blocks(plan, facts.times, facts.evidence);
  facts.pairs = blocks.pairs();
  facts.sham_pairs = blocks.sham_pairs(facts.pairs);
  facts.baseline_step_ns = median_baseline_ns(plan, facts.times);
  facts.looks = static_cast<int>(looks_of(plan.design).size());
  for (std::size_t i = 0; i < plan.faults.size(); ++i) facts.faults.push_back(count_windows(facts, blocks, i));
  facts.reasons = left_behind(plan, facts.evidence, facts.faults);
  note_faults_without_effect(facts);
  note_wrong_data(facts, sums.wrong_outside);
  set_outcome(facts, blocks.done());
  return facts;
}

}  // namespace grit
