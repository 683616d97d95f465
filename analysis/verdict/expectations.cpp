#include "analysis/verdict/expectations.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/blame/expected.hpp"
#include "analysis/facts/wording.hpp"
#include "analysis/verdict/slowdown.hpp"
#include "harness/base/units.hpp"
#include "harness/model/expected_culprit.hpp"

namespace grit {
namespace {

/// A run that was interrupted, or failed otherwise, says nothing about it.
void judge_outcome(const RunFacts& facts, JudgedExpectations& judged) {
  if (facts.plan.expect.outcome.empty()) return;
  std::optional<bool> met;
  if (facts.ended_as_expected()) met = true;
  if (facts.outcome == "completed") met = false;
  judged.results.push_back({"outcome " + facts.plan.expect.outcome, met});
}

void judge_culprit(const RunFacts& facts, const Findings& findings, JudgedExpectations& judged) {
  const Plan& plan = facts.plan;
  if (!plan.expect.culprit) return;
  const bool slower = slowdown_shown(findings.effects);
  const std::string text = expected_text(plan, *plan.expect.culprit);
  const auto met = names_expected(plan, findings.culprit, slower);
  judged.results.push_back({text, met});
  if (!met && slower)
    judged.reasons.push_back(fmt::format("cannot tell whether {} is right: {}", text,
                                         findings.culprit ? findings.culprit->text : "there is nothing to go by"));
}

void judge_slowdown(const Findings& findings, std::string_view words, double bound, SlowdownRule rule,
                    JudgedExpectations& judged) {
  const auto& effects = findings.effects;
  std::string text = fmt::format("slowdown {} {}", words, percent(bound));
  const std::optional<bool> met = rule(effects, bound);
  if (effects.empty()) {
    judged.results.push_back({text, met});
    return;
  }
  const Effect& decisive = decisive_effect(effects, *findings.shown, bound, rule);
  if (decisive.statistic != findings.shown->statistic)
    text += fmt::format(" (by the {} step time, {})", decisive.statistic, interval_text(decisive));
  judged.results.push_back({text, met});
  if (!met)
    judged.reasons.push_back(fmt::format(
        "cannot tell whether {} holds: {} ({}); {} pairs like these show a slowdown of {} or more in four runs "
        "of five: more pairs or longer blocks would show less",
        text, interval_text(decisive), decisive.statistic, decisive.pairs, percent(decisive.minimum_detectable)));
  for (const Effect& other : effects)
    if (rule({&other, 1}, bound) != met)
      judged.reasons.push_back(fmt::format(
          "the {} step time alone would say otherwise about {}: it changed by {} ({}); that is judged by the {}",
          other.statistic, text, percent(other.estimate), interval_text(other), decisive.statistic));
}

void judge_recovery(const RunFacts& facts, const Findings& findings, JudgedExpectations& judged) {
  const auto& recovery = findings.recovery;
  if (recovery && recovery->carry_over && recovery->carry_over->ci_low > 0)
    judged.reasons.push_back(
        fmt::format("step time did not come back after the fault: in the second half of the recovery blocks steps "
                    "still took {} longer than before ({})",
                    percent(recovery->carry_over->estimate), interval_text(*recovery->carry_over)));
  if (!facts.plan.expect.recovers_within_ns) return;
  const auto within_ns = static_cast<double>(*facts.plan.expect.recovers_within_ns);
  std::optional<bool> met;
  if (recovery) met = recovery->p50_ns && *recovery->p50_ns <= within_ns;
  judged.results.push_back({"steps are back within " + format_duration(within_ns), met});
}

void note_speed_up(const Findings& findings, double bound, JudgedExpectations& judged) {
  const auto& effects = findings.effects;
  if (std::any_of(effects.begin(), effects.end(), [&](const Effect& e) { return e.ci_high < -bound; }))
    judged.reasons.push_back(
        fmt::format("steps were faster by more than {} in the fault blocks: something else changed with the blocks",
                    percent(bound)));
}

}  // namespace

bool JudgedExpectations::all_met() const {
  return !results.empty() && std::all_of(results.begin(), results.end(), [](const auto& e) { return e.met == true; });
}

bool JudgedExpectations::one_not_met() const {
  return std::any_of(results.begin(), results.end(), [](const auto& e) { return e.met == false; });
}

JudgedExpectations judge_expectations(const RunFacts& facts, const Findings& findings) {
  const Expectation& expect = facts.plan.expect;
  JudgedExpectations judged;
  judge_outcome(facts, judged);
  judge_culprit(facts, findings, judged);
  if (expect.slowdown_at_least)
    judge_slowdown(findings, "at least", *expect.slowdown_at_least, slowdown_at_least, judged);
  judge_recovery(facts, findings, judged);
  if (expect.slowdown_at_most) {
    judge_slowdown(findings, "at most", *expect.slowdown_at_most, slowdown_at_most, judged);
    note_speed_up(findings, *expect.slowdown_at_most, judged);
  }
  return judged;
}

}  // namespace grit
