#include "analysis/verdict/words.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/facts/baseline_drift.hpp"
#include "analysis/facts/wording.hpp"
#include "analysis/stats/effect.hpp"
#include "analysis/verdict/left_behind.hpp"
#include "analysis/verdict/restarts.hpp"
#include "analysis/verdict/slowdown.hpp"

namespace grit {
namespace {

/// What is odd about many nodes or faults: the first few of a kind, and how many more there are.
void add_first_few(std::vector<std::string>& reasons, const std::vector<std::string>& texts, std::string_view what) {
  constexpr std::size_t kMost = 12;
  const std::size_t shown = std::min(kMost, texts.size());
  reasons.insert(reasons.end(), texts.begin(), texts.begin() + static_cast<std::ptrdiff_t>(shown));
  if (texts.size() > shown) reasons.push_back(fmt::format("and {} more {}", texts.size() - shown, what));
}

std::string too_few_pairs(const RunFacts& facts) {
  const CountedPairs& pairs = facts.pairs;
  const int fewest = fewest_pairs(facts.looks);
  if (pairs.usable.empty()) return fmt::format("there is no usable pair; a verdict needs at least {}", fewest);
  const double estimate = estimate_only(pairs.usable);
  return fmt::format("only {} of {} pairs are usable, and a verdict needs at least {} (these show {})",
                     pairs.usable.size(), pairs.planned, fewest, signed_percent(estimate));
}

std::string measured_sentence(const RunFacts& facts, const Findings& findings) {
  const Effect& effect = *findings.shown;
  std::string sentence = effect_sentence(facts.plan, effect, effect.pairs);
  const auto bound = facts.plan.expect.slowdown_at_most;
  if (bound && slowdown_at_most(findings.steps.slowdown, *bound) == true)
    return fmt::format("{}: within ±{}", sentence, percent(*bound));
  if (effect.ci_low > 0 || effect.ci_high < 0) return sentence;
  return fmt::format("{}: no effect shown, one of {} or more should have been", sentence,
                     percent(effect.minimum_detectable));
}

std::string cost_sentence(const RunFacts& facts, const Findings& findings) {
  if (findings.shown) return measured_sentence(facts, findings);
  if (facts.never_took_effect)
    return faults_text(facts.plan) + ": it never took effect, so nothing can be said about its cost";
  if (facts.unread)
    return faults_text(facts.plan) +
           ": whether it took effect could not be read, so nothing can be said about its cost";
  return "What a step costs cannot be told: " + too_few_pairs(facts);
}

/// A fault block that is no slower than one in which everything was done but the fault shows nothing of the fault.
void add_sham(std::vector<std::string>& reasons, const Findings& findings) {
  const auto& sham = findings.sham;
  if (!sham || (sham->ci_low <= 0 && sham->ci_high >= 0)) return;
  reasons.push_back(fmt::format("in sham blocks, where all was done but the fault itself, steps changed by {} ({}): {}",
                                percent(sham->estimate), interval_text(*sham),
                                findings.sham_explains
                                    ? "the slowdown may be no more than that"
                                    : "what is done around a fault, or the machine, is not without effect"));
}

/// Pairs were left out after the coin had chosen them.
void add_as_randomised(std::vector<std::string>& reasons, const Findings& findings) {
  if (!findings.as_randomised) return;
  const auto all =
      of_statistic(findings.as_randomised->slowdown, findings.shown ? findings.shown->statistic : std::string());
  if (!all) return;
  reasons.push_back(
      fmt::format("all {} pairs together, as the coin had them and whether or not the faults took effect: "
                  "the {} step changed by {} ({})",
                  all->pairs, all->statistic, percent(all->estimate), interval_text(*all)));
}

void add_checks(std::vector<std::string>& reasons, const Findings& findings) {
  std::vector<std::string> texts;
  for (const CheckResult& check : findings.checks) {
    if (check.not_made > 0 && !check.not_here)
      texts.push_back(fmt::format("check {} could not be made on {}, {} times: {}", check.name, check.node,
                                  check.not_made, check.obstacle));
    if (check.baseline_failures > 0)
      texts.push_back(fmt::format("check {} failed on {} without any fault, in {} of {} readings", check.name,
                                  check.node, check.baseline_failures, check.baseline_runs));
  }
  add_first_few(reasons, texts, "of checks: see the report");
}

}  // namespace

std::string verdict_sentence(const RunFacts& facts, const Findings& findings) {
  const std::string mend = mend_sentence(facts.plan, facts.faults);
  if (facts.ended_as_expected())
    return mend + fmt::format("{}: {}, as expected.", faults_text(facts.plan), facts.ending);
  std::string ended;
  if (facts.outcome != "completed") {
    ended = facts.ending + ". ";
    if (ended.front() >= 'a' && ended.front() <= 'z') ended.front() = static_cast<char>(ended.front() - 'a' + 'A');
  }
  if (facts.restarts) return mend + ended + restarts_sentence(facts) + ".";
  return mend + ended + cost_sentence(facts, findings) + ".";
}

std::vector<std::string> ineffective_faults(const RunFacts& facts) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < facts.faults.size(); ++i) {
    const FaultResult& fault = facts.faults[i];
    const auto& blocks = facts.evidence.faults[i].blocks;
    const auto effective =
        std::count_if(blocks.begin(), blocks.end(), [](const WindowEvidence& window) { return window.took_effect(); });
    const std::string place = place_of(fault), error = facts.evidence.faults[i].last_error();
    if (effective == fault.windows) continue;
    if (fault.unread > 0)
      texts.push_back(
          fmt::format("{}: the fault took effect in {} of {} windows, and in {} it is not known: it may "
                      "have been in force, but could not be read{}",
                      place, effective, fault.windows, fault.unread, error));
    else if (effective == 0)
      texts.push_back(fmt::format("{}: the fault never took effect (applied in {}, acting in {} of {} windows){}",
                                  place, fault.applied, fault.acting, fault.windows, error));
    else
      texts.push_back(
          fmt::format("{}: the fault took effect in only {} of {} windows{}", place, effective, fault.windows, error));
  }
  std::vector<std::string> reasons;
  add_first_few(reasons, texts, "faults without effect in some windows: see the report");
  return reasons;
}

std::vector<std::string> left_out_pairs(const RunFacts& facts, const Findings& findings) {
  std::vector<std::string> reasons;
  if (!facts.plan.expect.outcome.empty() || facts.restarts || facts.plan.attempt > 1) return reasons;
  const CountedPairs& pairs = facts.pairs;
  const auto left_out = [&](int count, std::string_view why) {
    if (count > 0) reasons.push_back(fmt::format("{} of {} pairs are left out: {}", count, pairs.planned, why));
  };
  left_out(pairs.unread, "it is not known whether every fault took effect in them");
  if (!facts.never_took_effect) left_out(pairs.without_effect, "not every fault took effect in them");
  left_out(pairs.incomplete, "step records are missing or a block was cut short");
  if (pairs.unread + pairs.without_effect > 0 && !facts.never_took_effect) add_as_randomised(reasons, findings);
  if (findings.steps.slowdown.empty() && !facts.never_took_effect) reasons.push_back(too_few_pairs(facts));
  if (pairs.partly > 0)
    reasons.push_back(
        fmt::format("in {} of the {} pairs that count some fault, but not more than {} of them, was "
                    "without effect: the slowdown is rather that of a little less",
                    pairs.partly, pairs.usable.size(), percent(kIdleFaults)));
  if (pairs.missing_records > 0)
    reasons.push_back(
        fmt::format("{} step records are missing in the pairs that count, not more than {} of any block's: "
                    "their steps are known by the other ranks'",
                    pairs.missing_records, percent(kMissingRecords)));
  return reasons;
}

std::vector<std::string> odd_things(const RunFacts& facts, const Findings& findings) {
  std::vector<std::string> reasons;
  if (const auto& wrong = facts.wrong_data)
    reasons.push_back(fmt::format("{} wrong values: {}", wrong->values, wrong->text));
  add_sham(reasons, findings);
  if (const auto remark = baseline_change_remark(facts.plan, facts.times)) reasons.push_back(*remark);
  add_first_few(reasons, facts.evidence.remarks, "remarks of this kind: see events.jsonl");
  if (facts.times.records_out_of_place > 0)
    reasons.push_back(fmt::format("{} step records fit neither the plan nor the topology and were left out",
                                  facts.times.records_out_of_place));
  for (std::size_t i = 0; i < facts.faults.size(); ++i) {
    const auto& blocks = facts.evidence.faults[i].blocks;
    const auto leases =
        std::count_if(blocks.begin(), blocks.end(), [](const WindowEvidence& w) { return w.lease_ended; });
    if (leases > 0)
      reasons.push_back(fmt::format("{}: its lease took it off before the plan did, in {} windows",
                                    place_of(facts.faults[i]), leases));
  }
  add_checks(reasons, findings);
  return reasons;
}

}  // namespace grit
