#include "analysis/verdict/verdict.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "analysis/facts/wording.hpp"
#include "analysis/verdict/cost.hpp"
#include "analysis/verdict/expectations.hpp"
#include "analysis/verdict/findings.hpp"
#include "analysis/verdict/run_facts.hpp"
#include "analysis/verdict/words.hpp"
#include "harness/model/imported_job.hpp"

namespace grit {
namespace {

Verdict verdict_of(const RunFacts& facts, Findings findings) {
  const Plan& plan = facts.plan;
  Verdict verdict;
  verdict.scenario = plan.scenario_name;
  verdict.outcome = facts.outcome;
  verdict.sentence = verdict_sentence(facts, findings);
  verdict.emulated = plan.emulated;
  if (facts.evidence.fake_gpus) verdict.emulated.emplace_back(kFakeGpus);
  verdict.looks = facts.looks;
  verdict.look = look_before(plan, static_cast<int>(facts.evidence.blocks_due)).value_or(facts.looks);
  verdict.effect = findings.shown;
  verdict.effects = findings.steps.slowdown;
  for (const auto& effect : {findings.steps.p99, findings.steps.throughput})
    if (effect) verdict.effects.push_back(*effect);
  if (findings.as_randomised)
    verdict.as_randomised =
        of_statistic(findings.as_randomised->slowdown, findings.shown ? findings.shown->statistic : "");
  verdict.sham = findings.sham;
  verdict.recovery = std::move(findings.recovery);
  verdict.restarts = facts.restarts;
  verdict.culprit = std::move(findings.culprit);
  verdict.wrong_data = facts.wrong_data;
  verdict.faults = facts.faults;
  for (std::size_t i = 0; i < plan.faults.size(); ++i)
    if (!plan.faults[i].passive) verdict.faults[i].harmful = findings.harmful;
  verdict.checks = std::move(findings.checks);
  verdict.residue = facts.evidence.residue;
  verdict.onset = facts.timing.onset;
  verdict.end = facts.timing.end;
  verdict.skew = facts.timing.skew;
  verdict.comes_and_goes = comes_and_goes(plan);
  verdict.lost_each_time = findings.lost_each_time;
  verdict.baseline_step_ns = facts.baseline_step_ns;
  return verdict;
}

VerdictKind kind_of(const RunFacts& facts, const Findings& findings, const JudgedExpectations& expectations,
                    bool left_behind) {
  const bool cut_short = facts.outcome != "completed" && !facts.ended_as_expected();
  if (facts.evidence.events_lost > 0 || cut_short || facts.never_took_effect || facts.unread ||
      findings.sham_explains || left_behind)
    return VerdictKind::inconclusive;
  if (expectations.one_not_met()) return VerdictKind::not_reproduced;
  return expectations.all_met() ? VerdictKind::reproduced : VerdictKind::inconclusive;
}

}  // namespace

Judgement judge_run(const Plan& plan, std::span<const StepRecord> records, const JsonLines& events, const Json& clock,
                    const std::optional<JsonLines>& links, std::span<const CollectiveRecord> spans,
                    const LaterAttempts* later) {
  RunFacts facts = gather_facts(plan, records, events, clock, spans);
  if (later != nullptr) go_on(facts, *later);
  const Findings findings = find_effects(facts, records, events, clock, links, spans);
  JudgedExpectations expectations = judge_expectations(facts, findings);
  Verdict verdict = verdict_of(facts, findings);
  for (const auto& more : {facts.reasons, ineffective_faults(facts), left_out_pairs(facts, findings),
                           expectations.reasons, odd_things(facts, findings)})
    verdict.reasons.insert(verdict.reasons.end(), more.begin(), more.end());
  if (plan.attempt > 1)
    verdict.reasons.push_back(
        fmt::format("this is attempt {} of a run, whose verdict is in its own directory", plan.attempt));
  else if (expectations.results.empty() && plan.workload.name != kImportedJob)
    verdict.reasons.emplace_back("the scenario expects nothing: give it expect = { slowdown = ... }");
  verdict.kind = kind_of(facts, findings, expectations, left_something_behind(verdict));
  verdict.expectations = std::move(expectations.results);
  return {std::move(verdict), std::move(facts.times), std::move(facts.work)};
}

Verdict judge(const Plan& plan, std::span<const StepRecord> records, const JsonLines& events, const Json& clock,
              const std::optional<JsonLines>& links, std::span<const CollectiveRecord> spans) {
  return judge_run(plan, records, events, clock, links, spans).verdict;
}

bool left_something_behind(const Verdict& verdict) {
  return !verdict.residue.empty() || std::any_of(verdict.faults.begin(), verdict.faults.end(),
                                                 [](const FaultResult& fault) { return fault.unreverted > 0; });
}

}  // namespace grit
