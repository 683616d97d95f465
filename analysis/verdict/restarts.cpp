#include "analysis/verdict/restarts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "analysis/facts/evidence.hpp"
#include "analysis/facts/first_cause.hpp"
#include "analysis/facts/wording.hpp"
#include "harness/base/json_fields.hpp"
#include "harness/base/units.hpp"

namespace grit {
namespace {

using Time = std::optional<std::int64_t>;  // on node 0's clock

/// What the restarts need of one attempt.
struct AttemptTimes {
  std::string why{};      // how it ended; empty: well, or it is not known
  std::string machine{};  // node 0's boot id; empty: not known
  Time death_ns{}, ordered_ns{}, ended_ns{};
  Time first_ns{}, last_ns{};       // rank 0's first step began, its last one ended
  std::int64_t complete_step = -1;  // the last one that all ranks have completed
  std::vector<std::string> passed_over{};
};

void take_events(const Attempt& attempt, AttemptTimes& times) {
  FirstCause cause;
  attempt.events.for_each_but({"check_change", "check_summary", "acting", "witness"}, [&](const Json& event) {
    cause.take(event);
    const std::int64_t t_ns = integer_at(event, "t_ns", 0);
    if (has_text(event, "type", "end_ordered") && !times.ordered_ns) times.ordered_ns = t_ns;
    // The recorder says these, by its own clock.
    if (has_text(event, "type", "goodbye") || has_text(event, "type", "not_ended") ||
        has_text(event, "type", "node_lost"))
      times.ended_ns = std::max(times.ended_ns.value_or(t_ns), t_ns);
    if (has_text(event, "type", "usage") && integer_at(event, "node") == 0 && times.machine.empty())
      times.machine = text_at(event, "machine");
    if (!has_text(event, "type", "resumed")) return;
    const auto passed_over = event.find("passed_over");
    for (const Json& text : passed_over != event.end() && passed_over->is_array() ? *passed_over : Json::array())
      if (text.is_string()) times.passed_over.push_back(text.get<std::string>());
  });
  if (const auto first = cause.decide(NodeClocks(attempt.plan, attempt.clock))) times.death_ns = first->at_ns;
}

void take_steps(const Attempt& attempt, AttemptTimes& times) {
  std::vector<std::int64_t> last(rank_count(attempt.plan.topology), attempt.plan.first_step - 1);
  for (const StepRecord& record : attempt.steps) {
    if (record.rank >= last.size()) continue;
    last[record.rank] = std::max(last[record.rank], std::int64_t{record.step});
    if (record.rank != 0) continue;
    times.first_ns = std::min(times.first_ns.value_or(record.start_ns), record.start_ns);
    times.last_ns = std::max(times.last_ns.value_or(record.end_ns), record.end_ns);
  }
  times.complete_step = last.empty() ? -1 : *std::min_element(last.begin(), last.end());
}

AttemptTimes times_of(const Attempt& attempt) {
  AttemptTimes times;
  times.why = collect_evidence(attempt.plan, attempt.events, attempt.clock).ending_reason;
  take_events(attempt, times);
  take_steps(attempt, times);
  return times;
}

/// When rank 0 had this step complete.
Time end_of_step(const Attempt& attempt, std::int64_t step) {
  for (const StepRecord& record : attempt.steps)
    if (record.rank == 0 && record.step == step) return record.end_ns;
  return std::nullopt;
}

/// Empty also where the second lies before the first, which no clock of one boot says.
std::optional<std::int64_t> between(const Time& from_ns, const Time& to_ns) {
  if (!from_ns || !to_ns || *to_ns < *from_ns) return std::nullopt;
  return *to_ns - *from_ns;
}

bool share_a_clock(const Plan& plan, const AttemptTimes& a, const AttemptTimes& b) {
  return plan.topology.local_cluster || (!a.machine.empty() && a.machine == b.machine);
}

Restart restart_between(const AttemptTimes& before, const Attempt& next, const AttemptTimes& after) {
  Restart restart{.why = before.why, .first_step = next.plan.first_step, .passed_over = after.passed_over};
  restart.lost_steps = std::max<std::int64_t>(before.complete_step + 1 - next.plan.first_step, 0);
  restart.detect_ns = between(before.death_ns, before.ordered_ns);
  restart.end_ns = between(before.ordered_ns, before.ended_ns);
  if (!share_a_clock(next.plan, before, after)) return restart;
  restart.restart_ns = between(before.ended_ns, after.first_ns);
  const Time back_ns = restart.lost_steps == 0 ? after.first_ns : end_of_step(next, before.complete_step);
  restart.recompute_ns = between(after.first_ns, back_ns);
  return restart;
}

bool must_be_mended(const std::string& reason) {
  return reason.starts_with(kNotReverted) || reason.starts_with(kLeftBehind);
}

std::string time_text(const std::optional<std::int64_t>& time_ns) {
  return time_ns ? format_duration(static_cast<double>(*time_ns)) : "an unknown time";
}

}  // namespace

Restarts restarts_of(std::span<const Attempt> attempts) {
  GRIT_ASSERT(!attempts.empty());
  std::vector<AttemptTimes> times;
  for (const Attempt& attempt : attempts) times.push_back(times_of(attempt));
  Restarts restarts{.most = attempts.front().plan.design.restarts};
  bool one_clock = true;
  for (std::size_t i = 1; i < attempts.size(); ++i) {
    restarts.each.push_back(restart_between(times[i - 1], attempts[i], times[i]));
    one_clock = one_clock && share_a_clock(attempts[i].plan, times[i - 1], times[i]);
  }
  restarts.steps = times.back().complete_step + 1;
  if (one_clock) restarts.wall_ns = between(times.front().first_ns, times.back().last_ns);
  return restarts;
}

AttemptEnd attempt_end(const Attempt& attempt) {
  const RunEvidence evidence = collect_evidence(attempt.plan, attempt.events, attempt.clock);
  AttemptEnd end{.outcome = evidence.ending.empty() ? "completed" : evidence.ending, .reason = evidence.ending_reason};
  for (std::size_t block = 0; block < evidence.block_begun.size(); ++block)
    if (evidence.block_begun[block]) end.last_block = static_cast<int>(block);
  return end;
}

void go_on(RunFacts& facts, const LaterAttempts& later) {
  facts.restarts = later.restarts;
  if (!later.verdicts.empty()) {
    facts.outcome = later.verdicts.back().outcome;
    facts.ending = later.ending;
    std::erase_if(facts.reasons, [](const std::string& reason) { return !must_be_mended(reason); });
    if (!facts.ending.empty()) facts.reasons.push_back(facts.ending);
  }
  for (const Verdict& verdict : later.verdicts) {
    if (facts.baseline_step_ns == 0) facts.baseline_step_ns = verdict.baseline_step_ns;
    std::copy_if(verdict.reasons.begin(), verdict.reasons.end(), std::back_inserter(facts.reasons), must_be_mended);
    facts.evidence.residue.insert(facts.evidence.residue.end(), verdict.residue.begin(), verdict.residue.end());
    for (const FaultResult& fault : verdict.faults)
      if (fault.unreverted > 0) facts.evidence.residue.push_back({fault.node, {fault.name + " may still be in force"}});
  }
  Restarts& restarts = *facts.restarts;
  for (const Restart& restart : restarts.each)
    for (const std::string& text : restart.passed_over)
      facts.reasons.push_back(fmt::format("a newer checkpoint was passed over, {}; the job went on with step {}", text,
                                          restart.first_step));
  if (facts.outcome == "completed" && facts.baseline_step_ns > 0 && restarts.wall_ns.value_or(0) > 0)
    restarts.goodput =
        static_cast<double>(restarts.steps) * facts.baseline_step_ns / static_cast<double>(*restarts.wall_ns);
}

std::string restarts_sentence(const RunFacts& facts) {
  const Restarts& restarts = *facts.restarts;
  std::string text = faults_text(facts.plan);
  if (restarts.each.empty()) text += ": no attempt of the job had to be started again";
  for (std::size_t i = 0; i < restarts.each.size(); ++i)
    text +=
        fmt::format("{}{}, and {}", i == 0 ? ": " : "; then ", restarts.each[i].why, restart_text(restarts.each[i]));
  if (const std::string goodput = goodput_text(restarts, facts.baseline_step_ns); !goodput.empty())
    text += "; " + goodput;
  return text;
}

std::string restart_text(const Restart& restart) {
  const auto back_ns = restart.back_ns();
  return fmt::format(
      "the job was back {}: {} until its end was ordered, {} until it had ended, {} until the next step began, {} for "
      "{}",
      back_ns ? time_text(back_ns) + " later" : "at a time that is not known", time_text(restart.detect_ns),
      time_text(restart.end_ns), time_text(restart.restart_ns), time_text(restart.recompute_ns),
      restart.lost_steps == 0 ? "no lost step" : plural(restart.lost_steps, "lost step"));
}

std::string goodput_text(const Restarts& restarts, double baseline_step_ns) {
  if (!restarts.goodput || !restarts.wall_ns) return {};
  return fmt::format("goodput {}: {} of {} that count, in {}", percent(*restarts.goodput),
                     plural(restarts.steps, "step"), format_duration(baseline_step_ns),
                     format_duration(static_cast<double>(*restarts.wall_ns)));
}

}  // namespace grit
