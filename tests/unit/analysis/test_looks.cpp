// Runs that look several times, sham and recovery blocks.
#include <random>

#include "analysis/stats/effect.hpp"
#include "analysis/verdict/verdict.hpp"
#include "tests/catch.hpp"
#include "tests/simulation.hpp"
#include "tests/unit/analysis/fixture.hpp"

using namespace grit;
using namespace grit::testing;
using Catch::Matchers::Contains;

namespace {

/// Up to 16 pairs, with looks after 8 and 12.
Plan plan_with_looks() {
  Plan plan = small_plan(16);
  plan.design.pairs = 8;
  plan.design.max_pairs = 16;
  return plan;
}

int first_block_of_pair(const Plan& plan, int pair) {
  for (const Block& block : plan.blocks)
    if (block.pair == pair) return block.index;
  return -1;
}

Json look_event(int block, const char* decision) {
  Json event = make_event("look", 0);
  event.update(Json{{"block", block}, {"decision", decision}});
  return event;
}

/// What is on disk of a run that stopped before this block.
struct Stopped {
  std::vector<StepRecord> records;
  std::vector<Json> events;
};

Stopped stopped_before(const Plan& plan, int block, const StepTime& step_time) {
  Plan part = plan;
  part.blocks.resize(static_cast<std::size_t>(block));
  Stopped run{records_of(part, step_time), events_of(part)};
  run.events.insert(run.events.end() - 1, look_event(block, "stop"));
  return run;
}

/// In every pair, right after its fault block or at its end.
Plan with_blocks(Plan plan, BlockKind kind) {
  std::vector<Block> blocks;
  for (const Block& block : plan.blocks) {
    blocks.push_back(block);
    if (block.kind == BlockKind::fault) blocks.push_back({0, block.pair, kind});
  }
  for (std::size_t i = 0; i < blocks.size(); ++i) blocks[i].index = static_cast<int>(i);
  plan.blocks = blocks;
  return plan;
}

}  // namespace

TEST_CASE("looks are at pairs, half-way and max_pairs, and one look when there is no more") {
  Design design;
  design.pairs = 8;
  CHECK(looks_of(design) == std::vector{8});
  design.max_pairs = 16;
  CHECK(looks_of(design) == std::vector{8, 12, 16});
  design.max_pairs = 9;
  CHECK(looks_of(design) == std::vector{8, 9});
  design.max_pairs = 64;
  CHECK(looks_of(design) == std::vector{8, 36, 64});
}

TEST_CASE("a look is taken before the first block of the pairs that may not be needed, and nowhere else") {
  const Plan plan = plan_with_looks();
  for (const Block& block : plan.blocks) {
    const auto look = look_before(plan, block.index);
    CHECK((look == 1) == (block.index == first_block_of_pair(plan, 8)));
    CHECK((look == 2) == (block.index == first_block_of_pair(plan, 12)));
    CHECK(look.value_or(1) <= 2);
  }
  CHECK_FALSE(look_before(plan, static_cast<int>(plan.blocks.size())));
  CHECK_FALSE(look_before(plan, -1));
}

TEST_CASE("a run that stopped at a look is complete, and says at which") {
  const Plan plan = plan_with_looks();
  const Stopped run = stopped_before(plan, first_block_of_pair(plan, 8), steps_slowed_by(0.5));
  const Verdict verdict = judge(plan, run.records, run.events);
  CHECK(verdict.kind == VerdictKind::reproduced);
  CHECK(verdict.outcome == "completed");
  CHECK(verdict.reasons.empty());
  CHECK(verdict.look == 1);
  CHECK(verdict.looks == 3);
  REQUIRE(verdict.effect);
  CHECK(verdict.effect->pairs == 8);
  CHECK(verdict.effect->p == Approx(3 * 2 * 2.0 / 256));  // three looks, two statistics
  CHECK(verdict.faults.at(0).windows == 8);
}

TEST_CASE("the same files without the word that it was meant to stop are a run that was cut short") {
  const Plan plan = plan_with_looks();
  Stopped run = stopped_before(plan, first_block_of_pair(plan, 8), steps_slowed_by(0.5));
  run.events = without(run.events, [](const Json& event) { return event.at("type") == "look"; });
  const Verdict verdict = judge(plan, run.records, run.events);
  CHECK(verdict.kind == VerdictKind::inconclusive);
  CHECK(verdict.outcome == "failed");
  CHECK_THAT(all_reasons(verdict), Contains("only 17 of 33 blocks were completed"));
}

TEST_CASE("each look has a third of the level: the interval is wider than that of a run of fixed length") {
  std::mt19937_64 random(3);
  SimulationSettings settings;
  settings.slowdown = 0.1;
  const auto pairs = simulate_run(random, settings).pairs();
  const Effect once = paired_effects(pairs, 1).at(0), thrice = paired_effects(pairs, 3).at(0);
  CHECK(thrice.ci_low <= once.ci_low);
  CHECK(thrice.ci_high >= once.ci_high);
  CHECK(thrice.p == Approx(std::min(1.0, 3 * once.p)));
  CHECK(fewest_pairs(1) == 6);
  CHECK(fewest_pairs(3) == 7);
  CHECK(paired_effects(std::span(pairs).first(7), 3).size() == 1);  // the mean alone
  CHECK(paired_effects(std::span(pairs).first(6), 3).empty());
}

TEST_CASE("looking three times and stopping at the first effect keeps false positives at the nominal level",
          "[statistics]") {
  constexpr int kRepetitions = 1500;
  std::mt19937_64 random(11);
  SimulationSettings settings;
  settings.pairs = 16;
  int wrong = 0;
  for (int i = 0; i < kRepetitions; ++i) {
    const auto pairs = simulate_run(random, settings).pairs();
    bool seen = false;
    for (const std::size_t look : {8U, 12U, 16U})
      for (const Effect& effect : paired_effects(std::span(pairs).first(look), 3))
        seen = seen || effect.ci_low > 0 || effect.ci_high < 0;
    wrong += seen ? 1 : 0;
  }
  CHECK(wrong < kRepetitions * (0.05 + 3 * std::sqrt(0.05 * 0.95 / kRepetitions)));
  CHECK(wrong > 0);
}

TEST_CASE("a slowdown that sham blocks show as well is not the fault's") {
  const Plan plan = with_blocks(small_plan(), BlockKind::sham);
  const auto slow = [&](double in_sham) {
    return [in_sham, usual = steps_slowed_by(0.5)](const Block& block, int step) {
      const auto time_ns = usual(block, step);
      return block.kind == BlockKind::sham ? static_cast<std::int64_t>(static_cast<double>(time_ns) * (1 + in_sham))
                                           : time_ns;
    };
  };
  const Verdict without_harm = judge(plan, records_of(plan, slow(0)), events_of(plan));
  CHECK(without_harm.kind == VerdictKind::reproduced);
  REQUIRE(without_harm.sham);
  CHECK(without_harm.sham->estimate == Approx(0).margin(0.01));
  const Verdict as_bad = judge(plan, records_of(plan, slow(0.5)), events_of(plan));
  CHECK(as_bad.kind == VerdictKind::inconclusive);
  CHECK_THAT(all_reasons(as_bad), Contains("the slowdown may be no more than that"));
  const Verdict a_little = judge(plan, records_of(plan, slow(0.05)), events_of(plan));
  CHECK(a_little.kind == VerdictKind::reproduced);
  CHECK_THAT(all_reasons(a_little), Contains("in sham blocks"));
}

TEST_CASE("after the fault: how soon steps are as before, and whether they stay slow") {
  Plan plan = with_blocks(small_plan(), BlockKind::recovery);
  plan.design.recovery_ns = 2 * kNsPerS;
  plan.expect.recovers_within_ns = kNsPerS;
  // The fixture's steps all start at once; here a block's steps follow each other.
  const auto run = [&](int slow_steps, double stays) {
    auto records = records_of(plan, [&](const Block& block, int step) {
      if (block.kind != BlockKind::recovery) return steps_slowed_by(0.5)(block, step);
      return static_cast<std::int64_t>(1e7 * (step < slow_steps ? 3.0 : 1.0 - 0.01 + stays));
    });
    for (StepRecord& record : records) {
      const std::int64_t duration_ns = record.end_ns - record.start_ns;
      record.start_ns += static_cast<std::int64_t>(record.step_in_block) * 100'000'000;
      record.end_ns = record.start_ns + duration_ns;
    }
    return judge(plan, records, events_of(plan));
  };
  const Verdict soon = run(3, 0);
  REQUIRE(soon.recovery);
  CHECK(soon.recovery->blocks == 8);
  CHECK(soon.recovery->recovered == 8);
  CHECK(soon.recovery->p50_ns == Approx(3e8));
  CHECK(soon.expectations.at(1).met == true);
  CHECK(soon.kind == VerdictKind::reproduced);

  const Verdict never = run(10, 0);
  CHECK(never.recovery->recovered == 0);
  CHECK_FALSE(never.recovery->p50_ns);
  CHECK(never.expectations.at(1).met == false);
  CHECK(never.kind == VerdictKind::not_reproduced);

  const Verdict stays_slow = run(0, 0.3);
  CHECK(stays_slow.recovery->recovered == 0);
  REQUIRE(stays_slow.recovery->carry_over);
  CHECK(stays_slow.recovery->carry_over->estimate == Approx(0.29).margin(0.02));
  CHECK_THAT(all_reasons(stays_slow), Contains("did not come back after the fault"));
}

TEST_CASE("that steps are back in time is met, not met, or cannot be told, by the interval over blocks") {
  Plan plan = with_blocks(small_plan(), BlockKind::recovery);
  plan.design.recovery_ns = 2 * kNsPerS;
  const auto judged = [&](int slow_blocks, std::int64_t within_ns) {
    plan.expect.recovers_within_ns = within_ns;
    auto records = records_of(plan, [&](const Block& block, int step) {
      if (block.kind != BlockKind::recovery) return steps_slowed_by(0.5)(block, step);
      return static_cast<std::int64_t>(1e7 * (step < (block.pair < slow_blocks ? 6 : 2) ? 3.0 : 0.99));
    });
    for (StepRecord& record : records) {
      const std::int64_t duration_ns = record.end_ns - record.start_ns;
      record.start_ns += static_cast<std::int64_t>(record.step_in_block) * 100'000'000;
      record.end_ns = record.start_ns + duration_ns;
    }
    // A step of which one rank's record is lost is known by the others', and ends no row.
    std::erase_if(records, [&](const StepRecord& r) {
      return plan.blocks[r.block].kind == BlockKind::recovery && r.step_in_block == 3 && r.rank == 1;
    });
    return judge(plan, records, events_of(plan));
  };
  const Verdict met = judged(1, 300 * kNsPerMs);  // one stray block of eight does not decide
  CHECK(met.expectations.at(1).met == true);
  REQUIRE(met.recovery->p50_ci_ns);
  CHECK(met.recovery->p50_ci_ns->first == Approx(2e8));
  CHECK(met.recovery->p50_ci_ns->second == Approx(2e8));
  CHECK(judged(7, 300 * kNsPerMs).expectations.at(1).met == false);
  const Verdict untold = judged(4, 300 * kNsPerMs);
  CHECK_FALSE(untold.expectations.at(1).met);
  CHECK(untold.kind == VerdictKind::inconclusive);
  CHECK_THAT(all_reasons(untold),
             Contains("cannot tell whether steps are back within 300 ms") && Contains("90 % CI 200 ms .. 600 ms"));
  CHECK(judged(4, 700 * kNsPerMs).expectations.at(1).met == true);
}

TEST_CASE("steps as before, in even number, are not taken for slow ones") {
  Plan plan = with_blocks(small_plan(), BlockKind::recovery);
  plan.design.recovery_ns = 2 * kNsPerS;
  // Four steps in the second half, two 3 % below and two 3 % above: their middle is where the baseline's is.
  auto records = records_of(
      plan,
      [&](const Block& block, int step) {
        if (block.kind != BlockKind::recovery) return steps_slowed_by(0.5)(block, step);
        return static_cast<std::int64_t>(1e7 * (step % 2 == 0 ? 0.97 : 1.03));
      },
      8);
  for (StepRecord& record : records) {
    const std::int64_t duration_ns = record.end_ns - record.start_ns;
    record.start_ns += static_cast<std::int64_t>(record.step_in_block) * 100'000'000;
    record.end_ns = record.start_ns + duration_ns;
  }
  const Verdict verdict = judge(plan, records, events_of(plan));
  REQUIRE(verdict.recovery->carry_over);
  CHECK(verdict.recovery->carry_over->ci_low <= 0);
  CHECK(all_reasons(verdict).find("did not come back") == std::string::npos);
}

TEST_CASE("how soon steps are back is told by one node's clock, or not at all") {
  Plan plan = with_blocks(small_plan(), BlockKind::recovery);
  plan.design.recovery_ns = 2 * kNsPerS;
  plan.expect.recovers_within_ns = 300 * kNsPerMs;
  const auto judged = [&](const std::function<bool(const Block&, const StepRecord&)>& is_lost) {
    auto records = records_of(plan, [&](const Block& block, int step) {
      if (block.kind != BlockKind::recovery) return steps_slowed_by(0.5)(block, step);
      return static_cast<std::int64_t>(1e7 * (step < 2 ? 3.0 : 0.99));
    });
    for (StepRecord& record : records) {
      const std::int64_t duration_ns = record.end_ns - record.start_ns;
      record.start_ns += static_cast<std::int64_t>(record.step_in_block) * 100'000'000;
      record.end_ns = record.start_ns + duration_ns;
    }
    std::erase_if(records, [&](const StepRecord& record) {
      const Block& block = plan.blocks[record.block];
      return block.kind == BlockKind::recovery && is_lost(block, record);
    });
    return judge(plan, records, events_of(plan));
  };
  // Node 1's clock is 1000 s ahead of node 0's.
  const auto of_two = [](const Block& block) { return block.pair < 2; };
  const Verdict other_begin = judged(
      [&](const Block& block, const StepRecord& r) { return of_two(block) && r.rank < 2 && r.step_in_block == 0; });
  const Verdict no_begin =
      judged([&](const Block& block, const StepRecord& r) { return of_two(block) && r.step_in_block == 0; });
  const Verdict other_back = judged(
      [&](const Block& block, const StepRecord& r) { return of_two(block) && r.rank < 2 && r.step_in_block == 2; });
  for (const Verdict& verdict : {other_begin, no_begin, other_back}) {
    REQUIRE(verdict.recovery);
    CHECK(verdict.recovery->blocks == 6);
    CHECK(verdict.recovery->recovered == 6);
    CHECK(verdict.recovery->p50_ns == Approx(2e8));
    CHECK(verdict.expectations.at(1).met == true);
  }
  for (const Verdict& verdict : {other_begin, no_begin}) {  // which half of the block is the second is not known either
    REQUIRE(verdict.recovery->carry_over);
    CHECK(verdict.recovery->carry_over->pairs == 6);
  }
  CHECK(other_back.recovery->carry_over->pairs == 8);
  const Verdict nowhere = judged([](const Block&, const StepRecord& r) { return r.step_in_block == 0; });
  CHECK_FALSE(nowhere.recovery);
  CHECK_FALSE(nowhere.expectations.at(1).met);
}
