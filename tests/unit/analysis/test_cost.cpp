#include <cmath>

#include "analysis/verdict/cost.hpp"
#include "tests/catch.hpp"
#include "tests/unit/analysis/fixture.hpp"

using namespace grit;
using Catch::Matchers::Contains;

TEST_CASE("one bad node in a job that fills the fleet: all its GPUs wait") {
  const Fleet fleet{.gpus = 800, .gpus_per_node = 8, .bad_nodes = 100, .jobs = {{800, 1.0}}};
  CHECK(gpu_days_a_week(fleet, 1.0) == Approx(7 * 800 / 2.0));  // half of every step is waiting
  CHECK(gpu_days_a_week(fleet, 0.25) == Approx(7 * 800 * 0.2));
  CHECK(gpu_days_a_week(fleet, 0) == 0);
  CHECK(gpu_days_a_week(fleet, -0.1) == 0);
}

TEST_CASE("a job of one node is hit as often as nodes are bad, a job of many nearly always") {
  Fleet fleet{.gpus = 8000, .gpus_per_node = 8, .bad_nodes = 10, .jobs = {{8, 1.0}}};
  CHECK(gpu_days_a_week(fleet, 1.0) == Approx(7 * 8000 * 0.5 * 0.01));
  fleet.jobs = {{4000, 1.0}};
  CHECK(gpu_days_a_week(fleet, 1.0) == Approx(7 * 8000 * 0.5 * (1 - std::pow(0.99, 500))));
  fleet.jobs = {{8, 0.5}, {4000, 0.5}};
  CHECK(gpu_days_a_week(fleet, 1.0) == Approx(7 * 8000 * 0.5 * (0.5 * 0.01 + 0.5 * (1 - std::pow(0.99, 500)))));
}

TEST_CASE("a job mix is read, and what is none is refused with what to write") {
  const auto jobs = parse_job_mix("1024:70%,128:30%");
  REQUIRE(jobs);
  REQUIRE(jobs->size() == 2);
  CHECK(jobs->at(0).gpus == 1024);
  CHECK(jobs->at(1).share == Approx(0.3));
  for (const char* wrong : {"", "1024", "1024:", ":70%", "0:50%", "1024:70%,", "x:10%", "1024:-5%"}) {
    const auto refused = parse_job_mix(wrong);
    REQUIRE_FALSE(refused);
    CHECK_THAT(refused.error().message, Contains("such as 1024:70%"));
  }
  CHECK_THAT(parse_job_mix("8:80%,16:30%").error().message, Contains("at most 100 %"));
}

namespace {

Effect slower_by(double estimate, double low, double high) {
  Effect effect;
  effect.estimate = estimate, effect.ci_low = low, effect.ci_high = high;
  effect.statistic = "mean";
  return effect;
}

}  // namespace

TEST_CASE("a fault that comes and goes costs so much each time, and a week only as often as somebody says") {
  const Plan flap = testing::small_plan();  // once in each block of 3 s
  const Effect doubled = slower_by(1.0, 0.5, 2.0);
  REQUIRE(comes_and_goes(flap));
  const auto lost = lost_each_time(flap, doubled, 1e7);
  REQUIRE(lost);
  CHECK(lost->estimate_ns == Approx(1.5e9));  // half of the block
  CHECK(lost->low_ns == Approx(1e9));
  CHECK(lost->high_ns == Approx(2e9));
  Verdict verdict;
  verdict.effect = doubled;
  verdict.comes_and_goes = true;
  verdict.lost_each_time = lost;
  CHECK(cost_text(verdict) ==
        "each time it comes every 1,000 GPUs that wait for it lose 1500 GPU-seconds (1000 .. 2000)");
  CHECK_THAT(cost_text(verdict, 1), Contains("1 times a day that is 0.122 GPU-days a week (0.081 .. 0.162)"));
  const Fleet fleet{.gpus = 8000, .gpus_per_node = 8, .bad_nodes = 2, .jobs = {{800, 0.5}, {400, 0.5}}};
  CHECK_THAT(cost_text(fleet, verdict), Contains("--per-day"));
  CHECK(gpu_days_a_week(fleet, 10, 1.5e9) == Approx(7 * 10 * 2 * 600 * 1.5 / 86400));
  CHECK_THAT(cost_text(fleet, verdict, 10), Contains("1.46 GPU-days a week (0.972 .. 1.94)"));
}

TEST_CASE("a slowdown that lasts costs a fleet in numbers what it does in words") {
  const LastingSlowdown doubled{1.0, 0.5, 2.0};
  const WeeklyCost any = weekly_cost(doubled);
  CHECK(any.gpus == 1000);
  CHECK(any.estimate == Approx(3500));
  CHECK(any.text == "every 1,000 GPUs that wait for it lose 3500 GPU-days a week (2333 .. 4667) while it lasts");
  const Fleet fleet{.gpus = 800, .gpus_per_node = 8, .bad_nodes = 100, .jobs = {{800, 1.0}}};
  const WeeklyCost ours = weekly_cost(fleet, doubled);
  CHECK(ours.gpus == 800);
  CHECK(ours.low == Approx(7 * 800 / 3.0));
  CHECK(ours.high == Approx(7 * 800 * 2 / 3.0));
  CHECK(ours.text ==
        "2800 GPU-days a week (1867 .. 3733) of 800 GPUs (100 with it of 100 nodes; 100 % of the time in jobs of 800 "
        "GPUs)");
}

TEST_CASE("the cost is the mean step's, also where the verdict is of the median, and says so") {
  Verdict verdict;
  verdict.effect = slower_by(0.5, 0.4, 0.6);
  verdict.effect->statistic = "median";
  verdict.effects = {slower_by(1.0, 0.5, 2.0), *verdict.effect};
  CHECK(cost_text(verdict) ==
        "every 1,000 GPUs that wait for it lose 3500 GPU-days a week (2333 .. 4667) while it lasts, by the mean step "
        "time");
  const Fleet fleet{.gpus = 800, .gpus_per_node = 8, .bad_nodes = 100, .jobs = {{800, 1.0}}};
  CHECK_THAT(cost_text(fleet, verdict), Contains("2800 GPU-days a week") && Contains("by the mean step time"));
  verdict.effects[0].ci_low = -0.1;
  CHECK(cost_text(verdict).empty());
  CHECK_THAT(cost_text(fleet, verdict), Contains("the median step took longer, but what a job pays goes by the mean"));
}

TEST_CASE("how often a fault comes in a block divides its cost, and only where it is one fault's") {
  const Effect doubled = slower_by(1.0, 0.5, 2.0);
  Plan plan = testing::small_plan();
  plan.faults[0].pulses = {{0, 100}, {1000, 1100}, {2000, 2100}};
  CHECK(lost_each_time(plan, doubled, 1e7)->estimate_ns == Approx(0.5e9));
  plan.faults.push_back(plan.faults[0]);  // on another node by the same clock: the same three times
  CHECK(lost_each_time(plan, doubled, 1e7)->estimate_ns == Approx(0.5e9));
  for (PlannedFault& fault : plan.faults)  // at random, 8 blocks: once a block and node
    for (fault.pulses.clear(); fault.pulses.size() < 8;)
      fault.pulses.push_back({0, 100, static_cast<int>(fault.pulses.size())});
  CHECK(lost_each_time(plan, doubled, 1e7)->estimate_ns == Approx(0.75e9));
  plan.faults[1].name = "rank_delay";
  CHECK_FALSE(lost_each_time(plan, doubled, 1e7));
  plan = testing::small_plan();
  plan.design.block_ns = 0, plan.design.block_steps = 100;
  CHECK(lost_each_time(plan, doubled, 1e7)->estimate_ns == Approx(1e9));
  CHECK_FALSE(lost_each_time(plan, slower_by(0.1, -0.1, 0.3), 1e7));
  plan.faults[0].pulses = {{0, -1}};
  CHECK_FALSE(comes_and_goes(plan));
  CHECK_FALSE(lost_each_time(plan, doubled, 1e7));
  Verdict lasting;
  lasting.effect = doubled;
  CHECK(cost_text(lasting) ==
        "every 1,000 GPUs that wait for it lose 3500 GPU-days a week (2333 .. 4667) while it lasts");
  const Fleet fleet{.gpus = 800, .gpus_per_node = 8, .bad_nodes = 100, .jobs = {{800, 1.0}}};
  CHECK_THAT(cost_text(fleet, lasting), Contains("2800 GPU-days a week (1867 .. 3733) of 800 GPUs"));
}
