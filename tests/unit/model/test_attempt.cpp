#include "harness/model/attempt.hpp"
#include "tests/catch.hpp"

using namespace grit;

namespace {

/// Warm-up of 5, then two pairs of blocks of 10 steps: 5 baseline, 15 fault, 25 fault, 35 baseline.
Plan plan_of_45_steps() {
  Plan plan;
  plan.topology.nodes.resize(1);
  plan.design = {.pairs = 2, .block_steps = 10, .warmup_steps = 5, .restarts = 3};
  plan.blocks = {{0, -1, BlockKind::warmup},
                 {1, 0, BlockKind::baseline},
                 {2, 0, BlockKind::fault},
                 {3, 1, BlockKind::fault},
                 {4, 1, BlockKind::baseline}};
  return plan;
}

std::vector<BlockKind> kinds_of(const Plan& plan) {
  std::vector<BlockKind> kinds;
  for (std::size_t i = 0; i < plan.blocks.size(); ++i) {
    CHECK(plan.blocks[i].index == static_cast<int>(i));
    kinds.push_back(plan.blocks[i].kind);
  }
  return kinds;
}

/// The job's steps that are done when the plan is: counted over all attempts.
std::int64_t end_of(const Plan& plan) {
  std::int64_t end = plan.first_step;
  for (const Block& block : plan.blocks) end += steps_of(plan, block);
  return end;
}

}  // namespace

TEST_CASE("attempts are directories of the run, and have its checkpoints between them") {
  CHECK(attempt_directory("/x/run", 1) == "/x/run");
  CHECK(attempt_directory("/x/run", 3) == "/x/run/attempts/3");
  for (const int attempt : {1, 2, 12})
    CHECK(checkpoint_directory(attempt_directory("/x/run", attempt), attempt) == "/x/run/checkpoints");
}

TEST_CASE("the next attempt makes up for the block that was cut, and goes on with the one after it") {
  const Plan first = plan_of_45_steps();
  REQUIRE(end_of(first) == 45);
  const Plan next = next_attempt(first, 2);  // died in the first fault block
  CHECK(next.attempt == 2);
  CHECK(kinds_of(next) == std::vector{BlockKind::warmup, BlockKind::fault, BlockKind::baseline});
  CHECK(next.blocks[1].pair == 1);
  CHECK(next.design.warmup_steps == 25);
  CHECK(end_of(next) == 45);

  const Plan from_12 = beginning_at(next, 12);
  CHECK(from_12.first_step == 12);
  CHECK(from_12.design.warmup_steps == 13);
  CHECK(kinds_of(from_12) == kinds_of(next));
  CHECK(end_of(from_12) == 45);

  SECTION("and dies again, while it makes up for it") {
    const Plan third = next_attempt(from_12, 0);
    CHECK(third.attempt == 3);
    CHECK(third.design.warmup_steps == 25);
    CHECK(end_of(beginning_at(third, 17)) == 45);
  }
  SECTION("and dies again in the last block but one") {
    const Plan third = beginning_at(next_attempt(from_12, 1), 30);
    CHECK(kinds_of(third) == std::vector{BlockKind::warmup, BlockKind::baseline});
    CHECK(third.design.warmup_steps == 5);
    CHECK(end_of(third) == 45);
  }
}

TEST_CASE("where the checkpoint is of the last step of the cut block nothing is made up for") {
  const Plan next = beginning_at(next_attempt(plan_of_45_steps(), 1), 15);
  CHECK(kinds_of(next) == std::vector{BlockKind::fault, BlockKind::fault, BlockKind::baseline});
  CHECK(end_of(next) == 45);
}

TEST_CASE("a job that died before its first block, or without a checkpoint, begins anew") {
  const Plan next = beginning_at(next_attempt(plan_of_45_steps(), -1), 0);
  CHECK(kinds_of(next) == kinds_of(plan_of_45_steps()));
  CHECK(next.design.warmup_steps == 5);
  CHECK(end_of(next) == 45);
  CHECK(beginning_at(next_attempt(plan_of_45_steps(), 4), 0).design.warmup_steps == 45);
}

TEST_CASE("pulses of certain blocks move with these") {
  Plan plan = plan_of_45_steps();
  plan.faults.push_back(
      {.name = "process_pause", .pulses = {{.start_ns = 1, .block = 2}, {.start_ns = 2, .block = 3}, {.start_ns = 3}}});
  const Plan next = beginning_at(next_attempt(plan, 2), 20);
  REQUIRE(next.faults.front().pulses.size() == 2);
  CHECK(next.faults.front().pulses[0].start_ns == 2);
  CHECK(next.faults.front().pulses[0].block == 1);
  CHECK(next.faults.front().pulses[1].block == -1);
  const Plan without_warmup = beginning_at(next_attempt(plan, 2), 25);
  CHECK(without_warmup.faults.front().pulses[0].block == 0);
}

TEST_CASE("a plan keeps its attempt and its restarts in its file") {
  Plan plan = beginning_at(next_attempt(plan_of_45_steps(), 2), 12);
  plan.workload = {"ddp", Json::object()};
  plan.expect.back_within_ns = 5;
  plan.expect.detected_within_ns = 6;
  plan.expect.goodput_at_least = 0.5;
  const auto read = plan_from_json(to_json(plan));
  REQUIRE(read);
  CHECK(read->attempt == 2);
  CHECK(read->first_step == 12);
  CHECK(read->design.restarts == 3);
  CHECK(read->expect.back_within_ns == 5);
  CHECK(read->expect.detected_within_ns == 6);
  CHECK(read->expect.goodput_at_least == 0.5);
}
