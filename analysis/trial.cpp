#include "analysis/trial.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/block_times.hpp"
#include "analysis/sign_flip.hpp"
#include "analysis/verdict.hpp"
#include "harness/record/run_dir.hpp"

namespace grit {
namespace {

/// log(fault) - log(baseline) of the mean step time, for each pair whose two blocks are complete.
std::vector<double> log_ratios(const Plan& plan, std::span<const StepRecord> records) {
  const RunTimes times = block_times(plan, records);
  std::map<int, std::pair<double, double>> pairs;  // baseline, fault; 0: not measured
  for (std::size_t i = 0; i < plan.blocks.size(); ++i) {
    const Block& block = plan.blocks[i];
    if (block.pair < 0 || !times.blocks[i].complete) continue;
    if (block.kind == BlockKind::baseline) pairs[block.pair].first = times.blocks[i].mean_ns;
    if (block.kind == BlockKind::fault) pairs[block.pair].second = times.blocks[i].mean_ns;
  }
  std::vector<double> ratios;
  for (const auto& [pair, means] : pairs)
    if (means.first > 0 && means.second > 0) ratios.push_back(std::log(means.second / means.first));
  return ratios;
}

void set_slowdown(TrialResult& result) {
  constexpr double kAlpha = 0.05;
  if (result.log_ratios.empty()) return;
  result.slowdown = std::expm1(hodges_lehmann(result.log_ratios));
  const auto [least, most] = std::minmax_element(result.log_ratios.begin(), result.log_ratios.end());
  // Fewer than six pairs have no interval at this level: then the range of what was seen.
  const auto interval = SignFlipTest(result.log_ratios).confidence_interval(kAlpha).value_or(Interval{*least, *most});
  result.ci_low = std::expm1(interval.low);
  result.ci_high = std::expm1(interval.high);
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
    result.log_ratios = log_ratios(plan, steps.records());
    set_slowdown(result);
  }
  for (const FaultResult& fault : verdict.faults) result.applied = result.applied && fault.applied == fault.windows;
  for (const CheckResult& check : verdict.checks)
    if (check.fails_more()) result.failed_checks.push_back(fmt::format("{} on {}", check.name, check.node));
  return result;
}

}  // namespace grit
