#include "analysis/verdict/findings.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <utility>

#include "analysis/blame/culprit.hpp"
#include "analysis/stats/effect.hpp"
#include "analysis/stats/sign_flip.hpp"
#include "analysis/verdict/cost.hpp"
#include "analysis/verdict/recovery.hpp"
#include "analysis/verdict/slowdown.hpp"

namespace grit {
namespace {

/// The figures are of a statistic by which the expectation is met or not, so that they say the same.
const Effect& shown_effect(std::span<const Effect> effects, const Expectation& expect) {
  const Effect& leading = leading_effect(effects);
  const std::pair<std::optional<double>, BoundRule> expected[]{{expect.slowdown_at_least, slowdown_at_least},
                                                               {expect.slowdown_at_most, slowdown_at_most}};
  for (const auto& [bound, rule] : expected)
    if (bound && rule(effects, *bound)) return decisive_effect(effects, leading, *bound, rule);
  return leading;
}

/// The effect is that of all faults together: with one it is that one's, of several nobody knows whose
/// (grit.search.minimal tells them apart). A passive end does nothing itself.
std::optional<bool> harm_of(const Plan& plan, std::span<const Effect> effects) {
  const auto acts = [](const PlannedFault& fault) { return !fault.passive; };
  if (effects.empty() || std::count_if(plan.faults.begin(), plan.faults.end(), acts) != 1) return std::nullopt;
  if (slowdown_shown(effects)) return true;
  if (std::all_of(effects.begin(), effects.end(), [](const Effect& e) { return e.ci_high <= 0; })) return false;
  return std::nullopt;
}

/// Of each pair that counts one value a check: the share of its readings that failed under the fault, less that
/// without. A coin decided which block was which, so the pairs' signs are tested, of all checks together.
std::vector<CheckResult> test_checks(const RunFacts& facts) {
  const auto& blocks = facts.plan.blocks;
  std::map<int, std::pair<std::size_t, std::size_t>> places;  // of baseline and fault block, by pair
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (blocks[i].kind == BlockKind::baseline) places[blocks[i].pair].first = i;
    if (blocks[i].kind == BlockKind::fault) places[blocks[i].pair].second = i;
  }
  std::vector<std::vector<double>> differences;
  std::vector<CheckResult> results;
  for (const CheckEvidence& check : facts.evidence.checks) {
    std::vector<double>& row = differences.emplace_back();
    CheckResult& result = results.emplace_back(check.result);
    for (const int pair : facts.pairs.numbers()) {
      const auto &baseline = check.blocks[places[pair].first], &fault = check.blocks[places[pair].second];
      const bool both = baseline.made > 0 && fault.made > 0;
      row.push_back(both ? static_cast<double>(fault.failed) / fault.made -
                               static_cast<double>(baseline.failed) / baseline.made
                         : 0);
      result.pairs += both && baseline.failed < baseline.made ? 1 : 0;  // else it could not fail more often
      result.pairs_worse += row.back() > 0 ? 1 : 0;
    }
  }
  const std::vector<double> p = p_among_all(differences);
  for (std::size_t i = 0; i < results.size(); ++i)
    // Of n pairs the smallest p is 1 / 2^n: fewer than would reach the level can say neither yes nor no.
    if (std::exp2(-results[i].pairs) * facts.looks <= kFamilyAlpha) results[i].p = std::min(1.0, p[i] * facts.looks);
  return results;
}

StepEffects effects_of(std::span<const PairTimes> pairs, const RunFacts& facts) {
  const Expectation& expect = facts.plan.expect;
  StepEffects effects{.slowdown = paired_effects(pairs, facts.looks)};
  if (expect.p99_at_least || expect.p99_at_most) effects.p99 = p99_effect(pairs, facts.looks);
  if (expect.throughput_at_least || expect.throughput_at_most)
    effects.throughput = throughput_effect(pairs, facts.looks);
  return effects;
}

bool explains(const std::optional<Effect>& sham, const std::optional<Effect>& shown) {
  return sham && sham->ci_low > 0 && shown && shown->ci_low > 0 && shown->ci_low <= sham->ci_high;
}

}  // namespace

std::optional<Effect> of_statistic(std::span<const Effect> effects, std::string_view statistic) {
  for (const Effect& effect : effects)
    if (effect.statistic == statistic) return effect;
  return effects.empty() ? std::nullopt : std::optional(effects.front());
}

Findings find_effects(const RunFacts& facts, std::span<const StepRecord> records, const JsonLines& events,
                      const Json& clock, const std::optional<JsonLines>& links,
                      std::span<const CollectiveRecord> spans) {
  const Plan& plan = facts.plan;
  const std::vector<int> pairs = facts.pairs.numbers();
  Findings findings;
  findings.steps = effects_of(facts.pairs.usable, facts);
  if (facts.pairs.as_randomised.size() > facts.pairs.usable.size())
    findings.as_randomised = effects_of(facts.pairs.as_randomised, facts);
  const std::vector<Effect>& slowdown = findings.steps.slowdown;
  if (!slowdown.empty()) {
    findings.shown = shown_effect(slowdown, plan.expect);
    findings.lost_each_time = lost_each_time(plan, slowdown.front(), facts.baseline_step_ns);
  }
  findings.harmful = harm_of(plan, slowdown);
  findings.checks = test_checks(facts);
  findings.sham = of_statistic(paired_effects(facts.sham_pairs, facts.looks),
                               findings.shown ? findings.shown->statistic : std::string());
  findings.sham_explains = explains(findings.sham, findings.shown);
  findings.recovery = recovery_after(plan, records, pairs, facts.looks);
  if (!slowdown_shown(slowdown)) return findings;
  std::vector<CheckResult> failing;  // a reading that failed once is no evidence against its node
  std::copy_if(findings.checks.begin(), findings.checks.end(), std::back_inserter(failing),
               [](const CheckResult& check) { return check.fails_more(); });
  findings.culprit = find_culprit({plan, facts.work, records, clock, spans, events, links, pairs, failing});
  return findings;
}

}  // namespace grit
