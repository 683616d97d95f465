#include "analysis/series/trial.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/facts/counted_pairs.hpp"
#include "analysis/records/block_times.hpp"
#include "analysis/stats/effect.hpp"
#include "analysis/verdict/verdict.hpp"
#include "harness/record/run_dir.hpp"

namespace grit {
namespace {

/// The pairs whose two blocks are complete.
std::vector<PairTimes> complete_pairs(const Plan& plan, std::span<const StepRecord> records) {
  const RunTimes times = block_times(plan, records);
  std::map<int, PairTimes> pairs;
  for (std::size_t i = 0; i < plan.blocks.size(); ++i) {
    const Block& block = plan.blocks[i];
    if (block.pair < 0 || !times.blocks[i].complete) continue;
    PairTimes& pair = pairs[block.pair];
    pair.pair = block.pair;
    if (block.kind == BlockKind::baseline)
      pair.baseline_mean_ns = times.blocks[i].mean_ns, pair.baseline_median_ns = times.blocks[i].median_ns;
    if (block.kind == BlockKind::fault)
      pair.fault_mean_ns = times.blocks[i].mean_ns, pair.fault_median_ns = times.blocks[i].median_ns;
  }
  std::vector<PairTimes> complete;
  for (const auto& [number, pair] : pairs)
    if (pair.baseline_mean_ns > 0 && pair.fault_mean_ns > 0) complete.push_back(pair);
  return complete;
}

/// As the verdict has it of the mean, with its share of the level for median and looks. Of too few pairs there is none.
void set_slowdown(TrialResult& result, const Plan& plan, const std::vector<PairTimes>& pairs) {
  for (const PairTimes& pair : pairs) result.log_ratios.push_back(std::log(pair.fault_mean_ns / pair.baseline_mean_ns));
  const auto effects = paired_effects(pairs, static_cast<int>(looks_of(plan.design).size()));
  if (effects.empty()) return;
  result.slowdown = effects.front().estimate;
  result.ci_low = effects.front().ci_low;
  result.ci_high = effects.front().ci_high;
}

void set_checks(TrialResult& result, const Plan& plan, const Verdict& verdict) {
  for (const CheckResult& check : verdict.checks) {
    const std::string text = fmt::format("{} on {}", check.name, check.node);
    if (check.fails_more()) result.failed_checks.push_back(text);
    if (!check.p) result.untold_checks.push_back(text);
  }
  for (const ScenarioPlugin& planned : plan.checks)
    if (std::none_of(verdict.checks.begin(), verdict.checks.end(),
                     [&](const CheckResult& check) { return check.name == check_label(planned); }))
      result.untold_checks.push_back(check_label(planned) + " on any node");
}

}  // namespace

Result<TrialResult> trial_result(const std::filesystem::path& run_directory, const Verdict& verdict) {
  GRIT_TRY(const Json document, read_json(run_directory / "plan.json"));
  GRIT_TRY(const Plan plan, plan_from_json(document));
  TrialResult result{.verdict = verdict.kind,
                     .outcome = verdict.outcome,
                     .sentence = verdict.sentence,
                     .baseline_step_ns = verdict.baseline_step_ns,
                     .culprit = verdict.culprit ? verdict.culprit->text : "",
                     .faults = to_json(verdict).at("faults"),
                     .left_behind = left_something_behind(verdict)};
  std::error_code unreadable;
  if (std::filesystem::exists(run_directory / "steps.npy", unreadable)) {
    GRIT_TRY(const StepsFile steps, StepsFile::open(run_directory / "steps.npy"));
    set_slowdown(result, plan, complete_pairs(plan, steps.records()));
  }
  result.applied = are_few_idle(plan, [&](std::size_t fault) {
    return fault < verdict.faults.size() && verdict.faults[fault].applied != verdict.faults[fault].windows;
  });
  set_checks(result, plan, verdict);
  return result;
}

}  // namespace grit
