#include "analysis/verdict/restarts.hpp"
#include "analysis/verdict/verdict.hpp"
#include "harness/base/clock.hpp"
#include "harness/model/attempt.hpp"
#include "harness/model/event.hpp"
#include "tests/catch.hpp"
#include "tests/unit/analysis/fixture.hpp"

using namespace grit;
using Catch::Matchers::Contains;

namespace {

constexpr std::int64_t kStep_ns = 100 * kNsPerMs;

using grit::testing::event_of;

/// Four nodes of one rank each; a warm-up of 5 steps and blocks of 10: 5 baseline, 15 fault, up to step 25.
Plan plan_of_25_steps() {
  Plan plan;
  plan.scenario_name = "restart";
  for (int node = 0; node < 4; ++node) {
    Node one;
    one.index = node;
    one.name = "node" + std::to_string(node);
    one.ranks = {node};
    plan.topology.nodes.push_back(one);
  }
  plan.topology.local_cluster = true;
  plan.design = {.pairs = 1, .block_steps = 10, .settle_steps = 1, .warmup_steps = 5, .restarts = 2};
  plan.blocks = {{0, -1, BlockKind::warmup}, {1, 0, BlockKind::baseline}, {2, 0, BlockKind::fault}};
  plan.expect.detected_within_ns = 2 * kNsPerS;
  plan.expect.back_within_ns = 10 * kNsPerS;
  plan.expect.goodput_at_least = 0.2;
  return plan;
}

/// An attempt while it is made up: steps of 100 ms from `begin_ms` on.
struct Made {
  Plan plan{};
  std::vector<StepRecord> steps{};
  std::vector<Json> events{};

  /// All steps of the plan before `end`; rank 3 lacks the last one where it died in it.
  void run(std::int64_t begin_ms, std::int64_t end, bool last_of_all = true) {
    std::int64_t step = plan.first_step;
    for (const Block& block : plan.blocks) {
      if (step >= end) break;
      events.push_back(event_of("block", 0, 0, {{"block", block.index}, {"edge", "begin"}}));
      std::int64_t in_block = 0;
      for (; in_block < steps_of(plan, block) && step < end; ++in_block, ++step) {
        for (int rank = 0; rank < 4; ++rank) {
          if (rank == 3 && step + 1 == end && !last_of_all) continue;
          StepRecord record;
          record.rank = record.node = static_cast<std::uint32_t>(rank);
          record.block = static_cast<std::uint32_t>(block.index);
          record.step = static_cast<std::uint32_t>(step);
          record.step_in_block = static_cast<std::uint32_t>(in_block);
          record.start_ns = begin_ms * kNsPerMs + (step - plan.first_step) * kStep_ns + rank;
          record.end_ns = record.start_ns + kStep_ns;
          steps.push_back(record);
        }
      }
      if (in_block == steps_of(plan, block))
        events.push_back(event_of("block", 0, 0, {{"block", block.index}, {"edge", "end"}}));
    }
  }
  void end(std::int64_t goodbye_ms) {
    for (int node = 0; node < 4; ++node) events.push_back(event_of("goodbye", node, goodbye_ms - node));
    events.push_back(event_of("run", 0, goodbye_ms, {{"state", "finished"}}));
  }
  /// Rank 3 dies, and the recorder orders the end and has it.
  void die(std::int64_t death_ms, std::int64_t order_ms, std::int64_t goodbye_ms) {
    events.push_back(event_of("rank_died", 3, death_ms, {{"rank", 3}, {"how", "SIGKILL"}}));
    events.push_back(event_of("end_ordered", 0, order_ms, {{"cause", events.back()}}));
    for (int node = 0; node < 4; ++node) events.push_back(event_of("goodbye", node, goodbye_ms - node));
  }
  void take_up(const Made& before, std::int64_t checkpoint, Json passed_over = Json::array()) {
    plan = beginning_at(next_attempt(before.plan, attempt_end(before.attempt()).last_block), checkpoint + 1);
    events.push_back(event_of("resumed", 0, 0,
                              {{"attempt", plan.attempt}, {"checkpoint", checkpoint}, {"passed_over", passed_over}}));
  }
  [[nodiscard]] Attempt attempt() const { return {plan, steps, JsonLines(events), clock_of(plan)}; }
  static Json clock_of(const Plan&) { return nullptr; }
};

/// Dies in step 18 (17 is complete), has the checkpoint of step 14, is back at 30 s + 300 ms and goes on to its end.
std::vector<Made> one_death() {
  Made first{.plan = plan_of_25_steps()};
  first.run(1000, 19, false);
  first.die(2850, 2852, 3000);
  Made second;
  second.take_up(first, 14);
  second.run(5000, 25);
  second.end(6200);
  return {first, second};
}

std::vector<Attempt> attempts_of(const std::vector<Made>& made) {
  std::vector<Attempt> attempts;
  for (const Made& one : made) attempts.push_back(one.attempt());
  return attempts;
}

Verdict judged(const std::vector<Made>& made) {
  LaterAttempts later;
  const std::vector<Attempt> attempts = attempts_of(made);
  for (std::size_t i = 1; i < attempts.size(); ++i)
    later.verdicts.push_back(judge(attempts[i].plan, attempts[i].steps, attempts[i].events, attempts[i].clock));
  later.restarts = restarts_of(attempts);
  later.ending = attempt_end(attempts.back()).reason;
  const Attempt& first = attempts.front();
  return judge_run(first.plan, first.steps, first.events, first.clock, {}, {}, &later).verdict;
}

std::optional<bool> met(const Verdict& verdict, std::string_view words) {
  for (const ExpectationResult& result : verdict.expectations)
    if (result.text.find(words) != std::string::npos) return result.met;
  FAIL("nothing is expected of " << words);
  return {};
}

}  // namespace

TEST_CASE("the times of a restart follow one another, and lost steps are those that all ranks had complete") {
  const Restarts restarts = restarts_of(attempts_of(one_death()));
  REQUIRE(restarts.each.size() == 1);
  const Restart& restart = restarts.each.front();
  CHECK_THAT(restart.why, Contains("rank 3 on node3 died"));
  CHECK(restart.first_step == 15);
  CHECK(restart.lost_steps == 3);  // 15, 16, 17; of 18 rank 3 has no record
  CHECK(restart.detect_ns == 2 * kNsPerMs);
  CHECK(restart.end_ns == 148 * kNsPerMs);
  CHECK(restart.restart_ns == 2000 * kNsPerMs);
  CHECK(restart.recompute_ns == 300 * kNsPerMs);
  CHECK(restart.back_ns() == 2450 * kNsPerMs);
  CHECK(restarts.steps == 25);
  CHECK(restarts.wall_ns == 5000 * kNsPerMs);
}

TEST_CASE("a run that came back and went to its end is judged by what it expects of that") {
  const Verdict verdict = judged(one_death());
  CHECK(verdict.outcome == "completed");
  CHECK(verdict.kind == VerdictKind::reproduced);
  REQUIRE(verdict.restarts);
  REQUIRE(verdict.restarts->goodput);
  CHECK(*verdict.restarts->goodput == Approx(25 * 0.1 / 5.0));  // steps of the baseline take 100 ms
  CHECK(met(verdict, "told within") == true);
  CHECK(met(verdict, "back within") == true);
  CHECK(met(verdict, "goodput") == true);
  CHECK_THAT(verdict.sentence, Contains("rank 3 on node3 died") && Contains("back 2.45 s later") &&
                                   Contains("3 lost steps") && Contains("goodput 50 %"));
  CHECK(verdict_from_json(to_json(verdict))->restarts->each.front().back_ns() == 2450 * kNsPerMs);

  auto made = one_death();
  made.front().plan.expect.back_within_ns = 2 * kNsPerS;
  made.front().plan.expect.goodput_at_least = 0.51;
  const Verdict slower = judged(made);
  CHECK(slower.kind == VerdictKind::not_reproduced);
  CHECK(met(slower, "told within") == true);
  CHECK(met(slower, "back within") == false);
  CHECK(met(slower, "goodput") == false);
}

TEST_CASE("a death right after a checkpoint loses no step") {
  Made first{.plan = plan_of_25_steps()};
  first.run(1000, 20);
  first.die(3000, 3001, 3100);
  Made second;
  second.take_up(first, 19);
  second.run(5000, 25);
  second.end(6000);
  const Restarts restarts = restarts_of(attempts_of({first, second}));
  CHECK(restarts.each.front().lost_steps == 0);
  CHECK(restarts.each.front().recompute_ns == 0);
}

TEST_CASE("a job that dies once more than it may start again has no goodput, and nothing is said to hold") {
  std::vector<Made> made = one_death();
  made.front().plan.design.restarts = 1;
  Made second;
  second.take_up(made.front(), 14);
  second.run(5000, 17);
  second.die(5250, 5251, 5300);
  const Verdict verdict = judged({made.front(), second});
  CHECK(verdict.outcome == "rank_death");
  CHECK(verdict.kind == VerdictKind::inconclusive);
  CHECK_FALSE(verdict.restarts->goodput);
  CHECK_FALSE(verdict.restarts->each.front().recompute_ns);  // it died again before
  CHECK(met(verdict, "told within") == true);
  CHECK_FALSE(met(verdict, "back within"));
  CHECK_FALSE(met(verdict, "goodput"));
}

TEST_CASE("each of two deaths is told, and a checkpoint that was passed over with it") {
  std::vector<Made> made = one_death();
  Made second;
  second.take_up(made.front(), 14);
  second.run(5000, 22);
  second.die(5750, 5751, 5800);
  Made third;
  third.take_up(second, 14, {"step 19: rank 2: its checksum is wrong"});
  third.run(8000, 25);
  third.end(9100);
  const Verdict verdict = judged({made.front(), second, third});
  REQUIRE(verdict.restarts->each.size() == 2);
  CHECK(verdict.restarts->each[1].first_step == 15);
  CHECK(verdict.restarts->each[1].lost_steps == 7);
  CHECK(verdict.restarts->each[1].recompute_ns == 700 * kNsPerMs);
  CHECK(verdict.outcome == "completed");
  bool told = false;
  for (const std::string& reason : verdict.reasons)
    told = told || reason.find("rank 2: its checksum") != std::string::npos;
  CHECK(told);
}

TEST_CASE("where node 0 may have been started anew in between, nothing is known of times across that") {
  auto made = one_death();
  for (Made& one : made) one.plan.topology.local_cluster = false;
  CHECK_FALSE(restarts_of(attempts_of(made)).wall_ns);
  for (Made& one : made) one.events.push_back(event_of("usage", 0, 0, {{"machine", "boot-1"}}));
  CHECK(restarts_of(attempts_of(made)).each.front().restart_ns);
  made[1].events.back()["machine"] = "boot-2";
  const Restarts restarts = restarts_of(attempts_of(made));
  CHECK_FALSE(restarts.each.front().restart_ns);
  CHECK_FALSE(restarts.each.front().back_ns());
  CHECK_FALSE(restarts.wall_ns);
  CHECK(restarts.each.front().end_ns);
}

TEST_CASE("a job that nothing killed has a goodput, and what is expected of restarts cannot be told") {
  Made only{.plan = plan_of_25_steps()};
  only.run(1000, 25);
  only.end(4000);
  const Verdict verdict = judged({only});
  CHECK(verdict.outcome == "completed");
  CHECK(verdict.kind == VerdictKind::inconclusive);
  CHECK(*verdict.restarts->goodput == Approx(1.0));
  CHECK_FALSE(met(verdict, "back within"));
  CHECK(met(verdict, "goodput") == true);
}

TEST_CASE("what a later attempt left behind is the run's") {
  auto made = one_death();
  for (Made& one : made) one.plan.topology.local_cluster = false;
  Json residue = event_of("residue", 2, 0, {{"block", 0}, {"differences", {"qdiscs: new: x"}}});
  made[1].events.push_back(residue);
  const Verdict verdict = judged(made);
  CHECK(left_something_behind(verdict));
  CHECK(verdict.kind == VerdictKind::inconclusive);
  REQUIRE_FALSE(verdict.reasons.empty());
}
