#include "analysis/facts/timing.hpp"
#include "tests/catch.hpp"
#include "tests/unit/analysis/fixture.hpp"

using namespace grit;
using namespace grit::testing;

namespace {

constexpr std::int64_t kDue_ns = 500 * kNsPerMs;

/// The same flap on both nodes, due half a second into its block and off a second later.
Plan plan_for_two() {
  Plan plan = small_plan();
  PlannedFault other = plan.faults[0];
  other.id = 1;
  other.node = 0;
  plan.faults.push_back(other);
  return plan;
}

/// The ranks of the fault's node entered the block at entered_ns (its own clock).
Json applied(const PlannedFault& fault, int block, std::int64_t entered_ns, std::int64_t late_ns) {
  Json event = make_event("fault", fault.node, entered_ns + kDue_ns + late_ns);
  event.update(Json{{"fault", fault.id}, {"block", block}, {"pulse", 0}, {"action", "applied"}, {"ok", true}});
  event.update(Json{{"onset_ns", kDue_ns + late_ns}, {"planned_ns", kDue_ns}});
  return event;
}

Json reverted(const PlannedFault& fault, int block, std::int64_t t_ns, const char* why) {
  Json event = make_event("fault", fault.node, t_ns);
  event.update(Json{{"fault", fault.id}, {"block", block}, {"pulse", 0}, {"action", "reverted"}, {"ok", true}});
  event["why"] = why;
  return event;
}

Json clock_point(int node, std::int64_t offset_ns, std::int64_t bound_ns, std::int64_t at_ns) {
  return Json{{"node", node}, {"offset_ns", offset_ns}, {"bound_ns", bound_ns}, {"at_ns", at_ns}};
}

BlockEnds block_ends(const Plan& plan, const std::vector<StepRecord>& records) {
  BlockEnds ends(plan);
  ends.take(records);
  return ends;
}

}  // namespace

TEST_CASE("timing: quantiles are of the nearest rank") {
  std::vector<std::int64_t> values;
  CHECK_FALSE(lateness_of(values).has_value());
  for (std::int64_t i = 200; i > 0; --i) values.push_back(i);
  const auto many = lateness_of(values);
  REQUIRE(many);
  CHECK(many->p50_ns == 100);
  CHECK(many->p99_ns == 198);
  CHECK(many->max_ns == 200);
  CHECK(many->count == 200);
  const auto one = lateness_of({7});
  CHECK(one->p50_ns == 7);
  CHECK(one->p99_ns == 7);
}

TEST_CASE("timing: onset and end are told from a node's own clock") {
  const Plan plan = small_plan();
  const PlannedFault& fault = plan.faults[0];
  const int block = nth_fault_block(plan, 0);
  const std::int64_t entered_ns = 7'000 * kNsPerS;
  std::vector<Json> events{applied(fault, block, entered_ns, 3'000'000),
                           reverted(fault, block, entered_ns + 1500 * kNsPerMs + 2'000'000, "pulse_end")};
  const FaultTiming timing = fault_timing(plan, BlockEnds(plan), events, nullptr);
  REQUIRE(timing.onset);
  CHECK(timing.onset->max_ns == 3'000'000);
  REQUIRE(timing.end);
  CHECK(timing.end->p50_ns == 2'000'000);
  CHECK(timing.faults.at(0).onset->count == 1);
  CHECK_FALSE(timing.skew.has_value());  // on one node alone

  SECTION("what was not read back, or came off for another reason, is not timed") {
    events[0]["ok"] = false;
    events[1]["why"] = "lease";
    const FaultTiming none = fault_timing(plan, BlockEnds(plan), events, nullptr);
    CHECK_FALSE(none.onset.has_value());
    CHECK_FALSE(none.end.has_value());
  }
  SECTION("a fault for a whole block ends with its node's last step") {
    events[1] = reverted(fault, block, entered_ns + 3 * kNsPerS + 40'000, "block_end");
    StepRecord last;
    last.node = 1;
    last.block = static_cast<std::uint32_t>(block);
    last.end_ns = entered_ns + 3 * kNsPerS;
    StepRecord earlier = last, elsewhere = last;
    earlier.end_ns -= kNsPerS;
    elsewhere.node = 0;
    elsewhere.end_ns += kNsPerS;
    const FaultTiming whole = fault_timing(plan, block_ends(plan, {last, earlier, elsewhere}), events, nullptr);
    REQUIRE(whole.end);
    CHECK(whole.end->max_ns == 40'000);
  }
}

TEST_CASE("timing: skew needs lined-up clocks, and says by how much they may be wrong") {
  Plan plan = plan_for_two();
  const PlannedFault& far = plan.faults[0];   // node 1, whose clock is 100 s ahead and gains 1 ms in 1000 s
  const PlannedFault& near = plan.faults[1];  // node 0
  const int block = nth_fault_block(plan, 3);
  const std::int64_t start_ns = 1'000 * kNsPerS, offset_ns = 100 * kNsPerS;
  const std::int64_t entered_ns = start_ns + 500 * kNsPerS;  // half way between the two measurements
  const std::vector<Json> events{applied(near, block, entered_ns, 10'000),
                                 applied(far, block, entered_ns + offset_ns + 500'000, 60'000)};
  const Json clock{{"before", {clock_point(0, 0, 0, start_ns), clock_point(1, offset_ns, 20'000, start_ns)}},
                   {"after",
                    {clock_point(0, 0, 0, start_ns + 1'000 * kNsPerS),
                     clock_point(1, offset_ns + 1'000'000, 30'000, start_ns + 1'000 * kNsPerS)}}};
  const FaultTiming timing = fault_timing(plan, BlockEnds(plan), events, clock);
  REQUIRE(timing.skew);
  CHECK(timing.skew->lateness.count == 1);
  CHECK(timing.skew->lateness.p50_ns == Approx(50'000).margin(1'000));  // the line is at the due time, 0.5 s later
  CHECK(timing.skew->clock_bound_ns == 30'000);
  CHECK(timing.onset->count == 2);

  CHECK_FALSE(fault_timing(plan, BlockEnds(plan), events, nullptr).skew.has_value());
  CHECK_FALSE(fault_timing(plan, BlockEnds(plan), events, Json{{"before", 7}, {"after", {3}}}).skew.has_value());

  plan.topology.local_cluster = true;  // one machine, one clock
  const std::vector<Json> local{applied(near, block, entered_ns, 10'000), applied(far, block, entered_ns, 60'000)};
  const FaultTiming shared = fault_timing(plan, BlockEnds(plan), local, nullptr);
  REQUIRE(shared.skew);
  CHECK(shared.skew->lateness.max_ns == 50'000);
  CHECK(shared.skew->clock_bound_ns == 0);
}
