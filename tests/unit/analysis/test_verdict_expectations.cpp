// What a scenario can expect besides a slowdown, each met, not met, and not to be told.
#include <algorithm>
#include <map>

#include "analysis/verdict/verdict.hpp"
#include "harness/model/element.hpp"
#include "harness/model/pattern_values.hpp"
#include "harness/model/wrong_value.hpp"
#include "tests/catch.hpp"
#include "tests/unit/analysis/fixture.hpp"

using namespace grit;
using namespace grit::testing;
using Catch::Matchers::Contains;

namespace {

Plan plan_that_expects(const Expectation& expect, int pairs = 8) {
  Plan plan = small_plan(pairs);
  plan.expect = expect;
  return plan;
}

/// As the fixture's, but each step of a block begins when the one before it has ended.
std::vector<StepRecord> steps_in_a_row(const Plan& plan, const StepTime& step_time) {
  auto records = records_of(plan, step_time);
  std::map<std::uint32_t, std::int64_t> ended_ns;  // by rank
  for (StepRecord& record : records) {
    const std::int64_t duration_ns = record.end_ns - record.start_ns;
    std::int64_t& begins_ns = ended_ns[record.rank];
    if (begins_ns == 0) begins_ns = record.start_ns;
    record.start_ns = begins_ns;
    begins_ns = record.end_ns = record.start_ns + duration_ns;
  }
  return records;
}

/// Fault blocks of the pairs below `slow_pairs` take longer, the others do not.
StepTime slow_in_pairs(int slow_pairs, double slowdown) {
  return [=](const Block& block, int step) {
    return steps_slowed_by(block.pair < slow_pairs ? slowdown : 0)(block, step);
  };
}

/// One step of the fault blocks of these pairs takes ten times as long.
StepTime stall_in_pairs(int stalled_pairs) {
  return [=](const Block& block, int step) {
    const bool stall = block.kind == BlockKind::fault && block.pair < stalled_pairs && step == 5;
    return steps_slowed_by(0)(block, step) * (stall ? 10 : 1);
  };
}

/// One summary a block and node: of six readings, two fail in the fault blocks of the pairs below `failing_pairs`, on
/// node 1. Nodes below `nodes` are looked at.
std::vector<Json> events_with_checks(const Plan& plan, int failing_pairs, int nodes = 2) {
  auto events = events_of(plan);
  for (const Block& block : plan.blocks)
    for (int node = 0; node < nodes && block.pair >= 0; ++node) {
      const bool fails = node == 1 && block.kind == BlockKind::fault && block.pair < failing_pairs;
      Json event = make_event("check_summary", node, 0);
      event.update(Json{{"check", "link_up"}, {"block", block.index}, {"readings", 6}, {"failures", fails ? 2 : 0}});
      events.push_back(event);
    }
  return events;
}

}  // namespace

TEST_CASE("a p99 is expected: a stall of one step shows in it, and in few blocks it cannot be told") {
  const Plan plan = plan_that_expects({.p99_at_least = 0.5});
  const auto judged = [&](int stalled_pairs) {
    return judge(plan, steps_in_a_row(plan, stall_in_pairs(stalled_pairs)), events_of(plan));
  };
  const Verdict met = judged(8);
  CHECK(met.kind == VerdictKind::reproduced);
  CHECK(met.expectations.at(0).text == "p99 slowdown at least 50 %");
  CHECK(met.effects.back().statistic == "p99");
  CHECK(met.effects.back().estimate == Approx(9).epsilon(0.05));
  CHECK_THAT(all_reasons(met), Contains("blocks have as few as 9 steps"));
  CHECK(judged(0).kind == VerdictKind::not_reproduced);
  const Verdict untold = judged(3);
  CHECK(untold.kind == VerdictKind::inconclusive);
  CHECK_FALSE(untold.expectations.at(0).met);
  CHECK_THAT(all_reasons(untold),
             Contains("cannot tell whether p99 slowdown at least 50 % holds") && Contains("in four runs of five"));

  const Plan calm = plan_that_expects({.p99_at_most = 0.1});
  CHECK(judge(calm, steps_in_a_row(calm, stall_in_pairs(0)), events_of(calm)).kind == VerdictKind::reproduced);
  CHECK(judge(calm, steps_in_a_row(calm, stall_in_pairs(8)), events_of(calm)).kind == VerdictKind::not_reproduced);
}

TEST_CASE("a throughput is expected, as a share of the baseline's") {
  const Plan plan = plan_that_expects({.throughput_at_most = 0.9});
  const auto judged = [&](int slow_pairs) {
    return judge(plan, steps_in_a_row(plan, slow_in_pairs(slow_pairs, 0.5)), events_of(plan));
  };
  const Verdict met = judged(8);
  CHECK(met.kind == VerdictKind::reproduced);
  CHECK(met.expectations.at(0).text == "throughput at most 90 % of the baseline's");
  CHECK(met.effects.back().statistic == "throughput");
  CHECK(met.effects.back().estimate == Approx(1 / 1.5 - 1).margin(0.01));
  CHECK(judged(0).kind == VerdictKind::not_reproduced);
  const Verdict untold = judged(3);
  CHECK(untold.kind == VerdictKind::inconclusive);
  CHECK_THAT(all_reasons(untold),
             Contains("cannot tell whether throughput at most 90 % of the baseline's holds") && Contains("a loss of"));

  const Plan kept = plan_that_expects({.throughput_at_least = 0.95});
  CHECK(judge(kept, steps_in_a_row(kept, slow_in_pairs(0, 0)), events_of(kept)).kind == VerdictKind::reproduced);
  CHECK(judge(kept, steps_in_a_row(kept, slow_in_pairs(8, 0.5)), events_of(kept)).kind == VerdictKind::not_reproduced);
}

TEST_CASE("a check is expected to fail, or to pass") {
  const auto judged = [](bool fails, int failing_pairs, int nodes = 2) {
    const Plan plan = plan_that_expects({.checks = {{"link_up", fails}}});
    return judge(plan, records_of(plan, steps_slowed_by(0)), events_with_checks(plan, failing_pairs, nodes));
  };
  CHECK(judged(true, 8).kind == VerdictKind::reproduced);
  CHECK(judged(true, 8).expectations.at(0).text == "check link_up fails under the fault");
  CHECK(judged(true, 0).kind == VerdictKind::not_reproduced);
  CHECK(judged(false, 0).kind == VerdictKind::reproduced);
  CHECK(judged(false, 0).expectations.at(0).text == "check link_up fails no more often under the fault than without");
  CHECK(judged(false, 1).kind == VerdictKind::reproduced);  // in one block of eight, as by chance
  CHECK(judged(false, 8).kind == VerdictKind::not_reproduced);
  for (const bool fails : {true, false}) {
    const Verdict untold = judged(fails, 3);
    CHECK(untold.kind == VerdictKind::inconclusive);
    CHECK(untold.checks.at(1).pairs == 8);
    CHECK(untold.checks.at(1).pairs_worse == 3);
    CHECK_THAT(all_reasons(untold), Contains("on node1 more readings failed than without it in 3 of 8 pairs"));
  }
  const Verdict half_seen = judged(false, 0, 1);  // node1 was never looked at
  CHECK_FALSE(half_seen.expectations.at(0).met);
  const Verdict unseen = judged(true, 0, 0);
  CHECK_FALSE(unseen.expectations.at(0).met);
  CHECK_THAT(all_reasons(unseen), Contains("in too few pairs that count it was read in both blocks"));
}

TEST_CASE("a check that fails without the fault already cannot be told to fail no more often under it") {
  for (const bool fails : {true, false}) {
    const Plan plan = plan_that_expects({.checks = {{"link_up", fails}}});
    const auto judged = [&](int failing_pairs) {
      auto events = events_with_checks(plan, 0);
      for (Json& event : events)
        if (event.at("type") == "check_summary" && event.at("node") == 1) {
          const Block& block = plan.blocks[event.at("block").get<std::size_t>()];
          event["failures"] = block.pair < failing_pairs ? 6 : 0;  // with the fault and without
        }
      return judge(plan, records_of(plan, steps_slowed_by(0)), events);
    };
    const Verdict always = judged(8);
    CHECK(always.kind == VerdictKind::inconclusive);
    CHECK_FALSE(always.expectations.at(0).met);
    CHECK(always.checks.at(1).pairs == 0);
    CHECK_FALSE(always.checks.at(1).p);
    CHECK_THAT(all_reasons(always), Contains("without the fault not failed in all readings"));
    const Verdict once = judged(1);
    CHECK(once.checks.at(1).pairs == 7);
    CHECK(once.expectations.at(0).met == !fails);
  }
}

TEST_CASE("pairs whose fault did not act are left out, and what all of them show is said beside it") {
  const Plan plan = plan_that_expects({.slowdown_at_least = 0.3}, 30);
  const auto judged = [&](int acting_pairs) {
    auto events = events_of(plan);
    for (Json& event : events)
      if (event.at("type") == "acting")
        event["ok"] = plan.blocks[event.at("block").get<std::size_t>()].pair < acting_pairs;
    return judge(plan, records_of(plan, slow_in_pairs(acting_pairs, 0.5)), events);
  };
  const Verdict all = judged(30);
  CHECK(all.kind == VerdictKind::reproduced);
  CHECK_FALSE(all.as_randomised);
  const Verdict most = judged(29);
  CHECK(most.kind == VerdictKind::reproduced);
  CHECK(most.effect->pairs == 29);
  REQUIRE(most.as_randomised);
  CHECK(most.as_randomised->pairs == 30);
  CHECK(most.as_randomised->statistic == most.effect->statistic);
  CHECK_THAT(all_reasons(most), Contains("all 30 pairs together, as the coin had them and whether or not the faults "
                                         "took effect: the mean step changed by"));
  const Verdict few = judged(8);  // eight that all say 50 %, of thirty that say a tenth
  CHECK(few.effect->ci_low > 0.3);
  CHECK(few.kind == VerdictKind::inconclusive);
  CHECK_FALSE(few.expectations.at(0).met);
  CHECK_THAT(all_reasons(few), Contains("slowdown at least 30 % is met by the pairs in which the faults took effect, "
                                        "but is not met by all 30 pairs"));
}

TEST_CASE("records that are missing in pairs that count are said") {
  const Plan plan = plan_that_expects({.slowdown_at_least = 0.1});
  auto records = records_of(plan, steps_slowed_by(0.5), 50);
  records.erase(records.begin() + 4 * 50 * 3 + 17);
  const Verdict verdict = judge(plan, records, events_of(plan));
  CHECK(verdict.effect->pairs == 8);
  CHECK_THAT(all_reasons(verdict), Contains("1 step records are missing in the pairs that count"));
}

namespace {

/// A run in which a fault on node1 flips a bit of what rank 2 sends, in three steps of every fault block.
struct FlippedRun {
  Plan plan = plan_that_expects({}, 6);
  std::vector<StepRecord> records{};
  std::vector<Json> events{};

  FlippedRun() {
    plan.faults[0].name = "bit_flip";
    plan.faults[0].corrupts_data = true;
    plan.expect.wrong_values_from = NodeSelector{.nodes = {1}};
    records = records_of(plan, steps_slowed_by(0));
    events = events_of(plan);
    for (StepRecord& record : records)
      if (plan.blocks[record.block].kind == BlockKind::fault && record.step_in_block < 3) tell(record);
  }

  void tell(StepRecord& record) {
    constexpr Bits kBit = Bits{1} << 22;
    const SumValues values(DataType::fp32, 0, kRanks);
    std::size_t element = 0;
    while (values.value(values.draw(record.step, element), 2) < 4) ++element;  // one that shows it
    const SumValues::Draw draw = values.draw(record.step, element);
    const float sent = values.value(draw, 2), right = values.sum(draw);
    const float flipped = element_value(DataType::fp32, element_bits(DataType::fp32, sent) ^ kBit);
    record.corrupted = 1;
    events.push_back(wrong_value_event({.block = record.block,
                                        .step = record.step,
                                        .element = element,
                                        .expected_bits = element_bits(DataType::fp32, right),
                                        .got_bits = element_bits(DataType::fp32, right - sent + flipped)},
                                       static_cast<int>(record.node), static_cast<int>(record.rank)));
  }

  using Bits = std::uint32_t;
  [[nodiscard]] Verdict judge() const { return grit::judge(plan, records, events); }
};

}  // namespace

TEST_CASE("wrong values that a fault makes are its effect: the run is judged by who is named as their sender") {
  FlippedRun run;
  const Verdict verdict = run.judge();
  CHECK(verdict.outcome == "completed");
  REQUIRE(verdict.wrong_data);
  CHECK(verdict.wrong_data->values == 6 * 3 * kRanks);
  CHECK(verdict.wrong_data->outside == 0);
  CHECK(verdict.wrong_data->examples == 18);
  CHECK(verdict.wrong_data->ranks == std::vector<int>{2});
  CHECK(verdict.kind == VerdictKind::reproduced);
  REQUIRE(verdict.expectations.size() == 1);
  CHECK(verdict.expectations[0].text == "wrong values from node1");
  CHECK_THAT(all_reasons(verdict), Contains("72 wrong values: rank 2 (node1) sent them"));
  const auto again = verdict_from_json(to_json(verdict));
  REQUIRE(again);
  CHECK(to_json(*again) == to_json(verdict));

  run.plan.expect.wrong_values_from = NodeSelector{.nodes = {0}};
  CHECK(run.judge().kind == VerdictKind::not_reproduced);
}

TEST_CASE("a wrong value where no fault makes any is corruption, also beside those of a fault") {
  FlippedRun run;
  const auto other = std::find_if(run.records.begin(), run.records.end(), [&](const StepRecord& record) {
    return run.plan.blocks[record.block].kind == BlockKind::baseline;
  });
  other->corrupted = 3;
  const Verdict verdict = run.judge();
  CHECK(verdict.outcome == "corruption");
  CHECK(verdict.kind == VerdictKind::inconclusive);
  CHECK(verdict.wrong_data->outside == 3);
  CHECK_THAT(all_reasons(verdict), Contains("3 reduced values were wrong"));
  run.plan.faults[0].corrupts_data = false;
  CHECK(run.judge().wrong_data->outside == 6 * 3 * kRanks + 3);
}

TEST_CASE("who sent wrong values cannot be told without examples, and nobody did where none is wrong") {
  FlippedRun run;
  std::erase_if(run.events, [](const Json& event) { return event.value("type", "") == "wrong_value"; });
  const Verdict untold = run.judge();
  CHECK(untold.kind == VerdictKind::inconclusive);
  CHECK_THAT(all_reasons(untold), Contains("no rank told of an example") &&
                                      Contains("cannot tell whether there are wrong values from node1"));
  for (StepRecord& record : run.records) record.corrupted = 0;
  CHECK(run.judge().kind == VerdictKind::not_reproduced);
  CHECK_FALSE(run.judge().wrong_data);
}
