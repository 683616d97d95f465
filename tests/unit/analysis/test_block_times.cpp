#include <algorithm>

#include "analysis/records/block_times.hpp"
#include "tests/catch.hpp"
#include "tests/unit/analysis/fixture.hpp"

using namespace grit;
using namespace grit::testing;

namespace {

bool only_incomplete(const RunTimes& times, std::size_t block) {
  for (std::size_t i = 0; i < times.blocks.size(); ++i)
    if (times.blocks[i].complete == (i == block)) return false;
  return true;
}

}  // namespace

TEST_CASE("mean and median are over the steps after settling, each the mean over ranks") {
  const Plan plan = small_plan(1);
  // Step 0 (settling) is huge and must not count; of the other nine, one is a stall.
  const auto records = records_of(plan, [](const Block&, int step) {
    return step == 0 ? 900'000'000 : step == 4 ? 19'000'000 : 10'000'000;
  });
  const RunTimes times = block_times(plan, records);
  REQUIRE(times.blocks.size() == plan.blocks.size());
  for (std::size_t i = 1; i < times.blocks.size(); ++i) {
    CHECK(times.blocks[i].complete);
    CHECK(times.blocks[i].steps == 9);
    CHECK(times.blocks[i].mean_ns == Approx(11e6));
    CHECK(times.blocks[i].median_ns == Approx(10e6));
  }
}

TEST_CASE("the median of an even number of steps is the middle of the two inner ones") {
  Plan plan = small_plan(1);
  plan.design.settle_steps = 0;
  const auto records = records_of(
      plan, [](const Block&, int step) { return 1'000'000 * (step + 1); }, 4);
  CHECK(block_times(plan, records).blocks[1].median_ns == Approx(2.5e6));
}

TEST_CASE("the order of the records does not matter") {
  const Plan plan = small_plan(2);
  auto records = records_of(plan, steps_slowed_by(0.3));
  const RunTimes in_order = block_times(plan, records);
  std::reverse(records.begin(), records.end());
  const RunTimes reversed = block_times(plan, records);
  for (std::size_t i = 0; i < in_order.blocks.size(); ++i) {
    CHECK(in_order.blocks[i].mean_ns == Approx(reversed.blocks[i].mean_ns));
    CHECK(in_order.blocks[i].median_ns == Approx(reversed.blocks[i].median_ns));
  }
}

TEST_CASE("of a thousand records of a step one may be missing, of fewer none, and none may be there twice") {
  for (const std::uint32_t ranks : {999U, 2'000U}) {
    Plan plan = small_plan(1);
    plan.design.settle_steps = 0;
    plan.topology.nodes.resize(1);
    plan.topology.nodes[0].ranks.resize(ranks);
    std::vector<StepRecord> records;
    for (std::uint32_t step = 0; step < 3; ++step)
      for (std::uint32_t rank = 0; rank < ranks; ++rank) {
        StepRecord& record = records.emplace_back();
        record.rank = rank;
        record.block = 1;
        record.step = record.step_in_block = step;
        record.end_ns = 10'000'000;
      }
    CAPTURE(ranks);
    const auto without = [&](std::size_t count) {
      return block_times(plan, std::span(records).subspan(count)).blocks[1];
    };
    CHECK(without(0).complete);
    const BlockTimes one_less = without(1);
    CHECK(one_less.complete == (ranks >= 1'000));
    if (one_less.complete) CHECK(one_less.mean_ns == Approx(10e6));
    CHECK_FALSE(without(ranks / 1'000 + 1).complete);
    records.push_back(records.front());
    CHECK_FALSE(without(0).complete);
  }
}

TEST_CASE("a block with a missing, doubled or impossible record is incomplete, and no other") {
  const Plan plan = small_plan(2);
  auto records = records_of(plan, steps_slowed_by(0));
  const auto in_block = [&](std::uint32_t block) {
    return std::find_if(records.begin(), records.end(),
                        [&](const StepRecord& r) { return r.block == block && r.step_in_block == 5; });
  };
  SECTION("one rank's record is missing") { records.erase(in_block(2)); }
  SECTION("one rank's record is there twice, another's is missing") { *in_block(2) = *(in_block(2) + 1); }
  SECTION("a step ends before it starts") { in_block(2)->end_ns = in_block(2)->start_ns - 1; }
  SECTION("a rank that does not exist") { in_block(2)->rank = 4'000'000'000U; }
  SECTION("a whole step is missing") {
    std::erase_if(records, [](const StepRecord& r) { return r.block == 2 && r.step_in_block == 5; });
  }
  CHECK(only_incomplete(block_times(plan, records), 2));
}

TEST_CASE("records from nowhere are counted and allocate nothing") {
  const Plan plan = small_plan(2);
  auto records = records_of(plan, steps_slowed_by(0));
  StepRecord stray = records.back();
  stray.step_in_block = 4'000'000'000U;
  records.push_back(stray);
  stray.block = 77;
  records.push_back(stray);
  const RunTimes times = block_times(plan, records);
  CHECK(times.records_out_of_place == 2);
  CHECK(std::all_of(times.blocks.begin(), times.blocks.end(), [](const BlockTimes& b) { return b.complete; }));
}

TEST_CASE("a block of a fixed number of steps needs all of them, and no steps after settling is no measurement") {
  Plan plan = small_plan(2);
  plan.design.block_ns = 0;
  plan.design.block_steps = 10;
  CHECK(block_times(plan, records_of(plan, steps_slowed_by(0), 10)).blocks[1].complete);
  CHECK_FALSE(block_times(plan, records_of(plan, steps_slowed_by(0), 9)).blocks[1].complete);
  plan.design.block_steps = 0;
  plan.design.settle_steps = 9;
  CHECK(block_times(plan, records_of(plan, steps_slowed_by(0), 10)).blocks[1].complete);
  CHECK_FALSE(block_times(plan, records_of(plan, steps_slowed_by(0), 9)).blocks[1].complete);
  const RunTimes nothing = block_times(plan, {});
  CHECK_FALSE(nothing.blocks[1].any_record);
  CHECK_FALSE(nothing.blocks[1].complete);
  plan.topology.nodes.clear();
  CHECK_FALSE(block_times(plan, records_of(plan, steps_slowed_by(0), 10)).blocks[1].complete);
}

TEST_CASE("corrupted values are summed over all blocks") {
  const Plan plan = small_plan(1);
  auto records = records_of(plan, steps_slowed_by(0));
  records.front().corrupted = 3;
  records.back().corrupted = 2;
  CHECK(block_times(plan, records).corrupted_values == 5);
}
