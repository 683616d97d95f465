#include "analysis/verdict/expectations.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <set>
#include <span>

#include "analysis/blame/expected.hpp"
#include "analysis/facts/node_names.hpp"
#include "analysis/facts/wording.hpp"
#include "analysis/stats/effect.hpp"
#include "analysis/stats/median_interval.hpp"
#include "analysis/verdict/recovery.hpp"
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
  const bool slower = slowdown_shown(findings.steps.slowdown);
  const std::string text = expected_text(plan, *plan.expect.culprit);
  const auto met = names_expected(plan, findings.culprit, slower);
  judged.results.push_back({text, met});
  if (!met && slower)
    judged.reasons.push_back(fmt::format("cannot tell whether {} is right: {}", text,
                                         findings.culprit ? findings.culprit->text : "there is nothing to go by"));
}

/// Nobody else may have sent any; where it cannot be told who did, neither can this.
void judge_wrong_values(const RunFacts& facts, JudgedExpectations& judged) {
  const Plan& plan = facts.plan;
  if (!plan.expect.wrong_values_from) return;
  const std::string text = expected_senders_text(plan, *plan.expect.wrong_values_from);
  std::optional<bool> met;
  if (!facts.wrong_data && facts.outcome == "completed") met = false;
  if (facts.wrong_data && !facts.wrong_data->ranks.empty()) {
    const auto is_expected = [&](int rank) {
      return std::any_of(plan.topology.nodes.begin(), plan.topology.nodes.end(), [&](const Node& node) {
        return is_expected_node(plan, *plan.expect.wrong_values_from, node.index) &&
               std::find(node.ranks.begin(), node.ranks.end(), rank) != node.ranks.end();
      });
    };
    const auto& ranks = facts.wrong_data->ranks;
    met = std::all_of(ranks.begin(), ranks.end(), is_expected);
  }
  judged.results.push_back({text, met});
  if (!met && facts.wrong_data)
    judged.reasons.push_back(fmt::format("cannot tell whether there are {}: {}", text, facts.wrong_data->text));
}

/// A bound on some effects, of which each alone may decide.
struct Bound {
  std::string text{};
  double bound = 0;
  BoundRule rule = nullptr;
  std::span<const Effect> effects{};
  const Effect* preferred = nullptr;        // by which it is said where it can be; null: there are no effects
  std::span<const Effect> as_randomised{};  // of all complete pairs; empty: the same pairs, or too few
};

std::span<const Effect> span_of(const std::optional<Effect>& effect) {
  return effect ? std::span<const Effect>(&*effect, 1) : std::span<const Effect>();
}

std::string_view answer_words(const std::optional<bool>& met) {
  return !met ? "cannot be told" : *met ? "is met" : "is not met";
}

/// "mean step time"; "throughput".
std::string what_of(const Effect& effect) {
  return effect.statistic == "throughput" ? effect.statistic : effect.statistic + " step time";
}

/// What so many pairs show in four runs of five.
std::string power_text(const Effect& effect) {
  const double least = effect.minimum_detectable;
  return effect.statistic == "throughput" ? "a loss of " + percent(least / (1 + least))
                                          : "a slowdown of " + percent(least);
}

/// Pairs were left out because their faults did not take effect. Where all of them say the opposite, nobody can tell;
/// where they do not say the same, that is said.
std::optional<bool> held_against_all(const Bound& bound, const std::optional<bool>& met, JudgedExpectations& judged) {
  if (bound.as_randomised.empty()) return met;
  const std::optional<bool> of_all = bound.rule(bound.as_randomised, bound.bound);
  if (of_all == met) return met;
  judged.reasons.push_back(fmt::format(
      "{} {} by the pairs in which the faults took effect, but {} by all {} pairs as the coin had them ({})",
      bound.text, answer_words(met), answer_words(of_all), bound.as_randomised.front().pairs,
      interval_text(bound.as_randomised.front())));
  return met && of_all ? std::nullopt : met;
}

void judge_bound(Bound bound, JudgedExpectations& judged) {
  const std::optional<bool> by_effects = bound.rule(bound.effects, bound.bound);
  if (bound.preferred == nullptr) {
    judged.results.push_back({bound.text, by_effects});
    return;
  }
  const Effect& decisive = decisive_effect(bound.effects, *bound.preferred, bound.bound, bound.rule);
  if (decisive.statistic != bound.preferred->statistic)
    bound.text += fmt::format(" (by the {}, {})", what_of(decisive), interval_text(decisive));
  const std::optional<bool> met = held_against_all(bound, by_effects, judged);
  judged.results.push_back({bound.text, met});
  if (!by_effects)
    judged.reasons.push_back(
        fmt::format("cannot tell whether {} holds: {} ({}); {} pairs like these show {} or more in four runs of five: "
                    "more pairs or "
                    "longer blocks would show less",
                    bound.text, interval_text(decisive), decisive.statistic, decisive.pairs, power_text(decisive)));
  for (const Effect& other : bound.effects)
    if (bound.rule({&other, 1}, bound.bound) != by_effects)
      judged.reasons.push_back(
          fmt::format("the {} alone would say otherwise about {}: it changed by {} ({}); that is judged by the {}",
                      what_of(other), bound.text, percent(other.estimate), interval_text(other), decisive.statistic));
}

void judge_slowdown(const Findings& findings, std::string_view words, double bound, BoundRule rule,
                    JudgedExpectations& judged) {
  judge_bound({.text = fmt::format("slowdown {} {}", words, percent(bound)),
               .bound = bound,
               .rule = rule,
               .effects = findings.steps.slowdown,
               .preferred = findings.shown ? &*findings.shown : nullptr,
               .as_randomised = findings.as_randomised ? std::span<const Effect>(findings.as_randomised->slowdown)
                                                       : std::span<const Effect>()},
              judged);
}

void judge_one_effect(const Findings& findings, std::optional<Effect> StepEffects::*effect, std::string text,
                      double bound, BoundRule rule, JudgedExpectations& judged) {
  const auto& shown = findings.steps.*effect;
  judge_bound({.text = std::move(text),
               .bound = bound,
               .rule = rule,
               .effects = span_of(shown),
               .preferred = shown ? &*shown : nullptr,
               .as_randomised =
                   findings.as_randomised ? span_of((*findings.as_randomised).*effect) : std::span<const Effect>()},
              judged);
}

/// A block of fewer than 100 steps has no step that takes longer than its slowest one in a hundred.
void note_short_blocks(const RunFacts& facts, JudgedExpectations& judged) {
  constexpr std::int64_t kForP99 = 100;
  std::int64_t fewest = kForP99;
  for (std::size_t i = 0; i < facts.plan.blocks.size(); ++i) {
    const BlockKind kind = facts.plan.blocks[i].kind;
    if ((kind == BlockKind::baseline || kind == BlockKind::fault) && facts.times.blocks[i].complete)
      fewest = std::min(fewest, facts.times.blocks[i].steps);
  }
  if (fewest < kForP99)
    judged.reasons.push_back(
        fmt::format("blocks have as few as {} steps: of fewer than {} the p99 is the slowest one", fewest, kForP99));
}

void judge_p99(const RunFacts& facts, const Findings& findings, JudgedExpectations& judged) {
  const Expectation& expect = facts.plan.expect;
  const auto judge = [&](std::string_view words, double bound, BoundRule rule) {
    judge_one_effect(findings, &StepEffects::p99, fmt::format("p99 slowdown {} {}", words, percent(bound)), bound, rule,
                     judged);
  };
  if (expect.p99_at_least) judge("at least", *expect.p99_at_least, slowdown_at_least);
  if (expect.p99_at_most) judge("at most", *expect.p99_at_most, slowdown_at_most);
  if (expect.p99_at_least || expect.p99_at_most) note_short_blocks(facts, judged);
}

void judge_throughput(const RunFacts& facts, const Findings& findings, JudgedExpectations& judged) {
  const Expectation& expect = facts.plan.expect;
  const auto judge = [&](std::string_view words, double share, BoundRule rule) {
    judge_one_effect(findings, &StepEffects::throughput,
                     fmt::format("throughput {} {} of the baseline's", words, percent(share)), share, rule, judged);
  };
  if (expect.throughput_at_least) judge("at least", *expect.throughput_at_least, throughput_at_least);
  if (expect.throughput_at_most) judge("at most", *expect.throughput_at_most, throughput_at_most);
}

/// In most blocks of this node it fails no more under the fault than without: were it half of them, so few would be
/// worse in 5 % of the runs at most.
bool passes(const CheckResult& check, int looks) {
  return check.pairs > 0 && !check.fails_more() &&
         at_most_heads(check.pairs_worse, check.pairs) <= kFamilyAlpha / looks;
}

/// Fails: some node's readings fail more often under the fault, by the test over all checks. Passes: on no node, and on
/// every node of the plan it is known that in most blocks they do not.
void judge_check(const RunFacts& facts, const Findings& findings, const std::string& name, bool fails,
                 JudgedExpectations& judged) {
  std::set<std::string> unknown;  // nodes of which it is not known that it passes there
  for (const Node& node : facts.plan.topology.nodes) unknown.insert(name_of_node(facts.plan, node.index));
  const CheckResult* worst = nullptr;  // of those that do not pass
  for (const CheckResult& check : findings.checks) {
    if (check.name != name) continue;
    if (passes(check, facts.looks)) {
      if (check.node == kTheMachine) unknown.clear();  // all nodes have it between them
      unknown.erase(check.node);
      continue;
    }
    if (worst == nullptr || check.p.value_or(1) < worst->p.value_or(1)) worst = &check;
  }
  std::optional<bool> does_fail;
  if (unknown.empty()) does_fail = false;
  if (worst != nullptr && worst->fails_more()) does_fail = true;
  const std::string text = fmt::format(
      "check {} {}", name, fails ? "fails under the fault" : "fails no more often under the fault than without");
  judged.results.push_back({text, does_fail ? std::optional(*does_fail == fails) : std::nullopt});
  if (does_fail) return;
  judged.reasons.push_back(
      worst == nullptr || !worst->p
          ? fmt::format("cannot tell whether {}: in too few pairs that count it was read in both blocks, and had "
                        "without the fault not failed in all readings already",
                        text)
          : fmt::format("cannot tell whether {}: on {} more readings failed than without it in {} of {} pairs ({})",
                        text, worst->node, worst->pairs_worse, worst->pairs, p_text(*worst->p)));
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
  const std::string text = "steps are back within " + format_duration(within_ns);
  const std::optional<bool> met = recovery ? is_back_within(*recovery, within_ns) : std::nullopt;
  judged.results.push_back({text, met});
  if (recovery && !met)
    judged.reasons.push_back(fmt::format(
        "cannot tell whether {}: it was so in {} of {} recovery blocks, and {}", text, recovery->recovered,
        recovery->blocks,
        recovery->p50_ci_ns ? "the interval of the median" + recovery_interval_text(*recovery) : "these are too few"));
}

/// Of every restart: met when all of them are known to keep to it, not met when one is known not to.
void judge_restart_time(const Restarts& restarts, std::string_view what, std::int64_t within_ns,
                        const std::function<std::optional<std::int64_t>(const Restart&)>& time_of,
                        JudgedExpectations& judged) {
  const std::string text = fmt::format("{} within {}", what, format_duration(static_cast<double>(within_ns)));
  std::optional<bool> met;
  if (!restarts.each.empty()) met = true;
  for (const Restart& restart : restarts.each) {
    const auto time_ns = time_of(restart);
    if (time_ns && *time_ns > within_ns) met = false;
    if (!time_ns && met == true) met = std::nullopt;
  }
  judged.results.push_back({text, met});
  if (met) return;
  judged.reasons.push_back(fmt::format(
      "cannot tell whether {}: {}", text,
      restarts.each.empty() ? "the job never had to start again" : "of some restart the time is not known"));
}

void judge_restarts(const RunFacts& facts, JudgedExpectations& judged) {
  const Expectation& expect = facts.plan.expect;
  if (!facts.restarts || !expects_restart(expect)) return;
  const Restarts& restarts = *facts.restarts;
  if (expect.detected_within_ns)
    judge_restart_time(
        restarts, "a death is told", *expect.detected_within_ns,
        [](const Restart& restart) { return restart.detect_ns; }, judged);
  if (expect.back_within_ns)
    judge_restart_time(
        restarts, "the job is back", *expect.back_within_ns, [](const Restart& restart) { return restart.back_ns(); },
        judged);
  if (!expect.goodput_at_least) return;
  const std::string text = "goodput at least " + percent(*expect.goodput_at_least);
  judged.results.push_back(
      {text, restarts.goodput ? std::optional(*restarts.goodput >= *expect.goodput_at_least) : std::nullopt});
  if (!restarts.goodput)
    judged.reasons.push_back(fmt::format(
        "cannot tell whether {}: the run did not go to its end, or its baseline or its clock is not known", text));
}

void note_speed_up(const Findings& findings, double bound, JudgedExpectations& judged) {
  const auto& effects = findings.steps.slowdown;
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
  judge_wrong_values(facts, judged);
  if (expect.slowdown_at_least)
    judge_slowdown(findings, "at least", *expect.slowdown_at_least, slowdown_at_least, judged);
  judge_recovery(facts, findings, judged);
  if (expect.slowdown_at_most) {
    judge_slowdown(findings, "at most", *expect.slowdown_at_most, slowdown_at_most, judged);
    note_speed_up(findings, *expect.slowdown_at_most, judged);
  }
  judge_p99(facts, findings, judged);
  judge_throughput(facts, findings, judged);
  judge_restarts(facts, judged);
  for (const auto& [name, fails] : expect.checks) judge_check(facts, findings, name, fails, judged);
  return judged;
}

}  // namespace grit
