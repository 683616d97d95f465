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

namespace {

/// Whole steps of 10 ms, one after another, with 2 ms between them; of one rank 1 ms longer than of the others.
std::vector<StepRecord> steps_in_a_row(std::uint32_t block, std::uint32_t steps, std::uint32_t ranks) {
  std::vector<StepRecord> records;
  for (std::uint32_t step = 0; step < steps; ++step)
    for (std::uint32_t rank = 0; rank < ranks; ++rank) {
      StepRecord& record = records.emplace_back();
      record.rank = rank;
      record.block = block;
      record.step = record.step_in_block = step;
      record.start_ns = 12'000'000LL * step;
      record.end_ns = record.start_ns + (rank == 0 ? 11'000'000 : 10'000'000);
    }
  return records;
}

}  // namespace

TEST_CASE("one in a hundred of a block's records may be missing, not more than half of a step's, and none doubled") {
  Plan plan = small_plan(1);
  plan.design.settle_steps = 0;
  const auto records = steps_in_a_row(1, 100, kRanks);
  const auto without = [&](std::vector<std::size_t> places) {
    std::vector<StepRecord> left;
    for (std::size_t i = 0; i < records.size(); ++i)
      if (std::find(places.begin(), places.end(), i) == places.end()) left.push_back(records[i]);
    return block_times(plan, left).blocks[1];
  };
  const BlockTimes whole = without({});
  CHECK(whole.complete);
  CHECK(whole.missing == 0);
  const BlockTimes four_less = without({0, 41, 42, 390});  // two of them of one step
  CHECK(four_less.complete);
  CHECK(four_less.missing == 4);
  CHECK(four_less.steps == 100);
  CHECK(four_less.mean_ns == Approx(whole.mean_ns).epsilon(0.001));
  CHECK(four_less.steps_per_s == Approx(whole.steps_per_s).epsilon(0.01));
  CHECK_FALSE(without({0, 41, 42, 390, 200}).complete);
  CHECK_FALSE(without({40, 41, 42}).complete);      // three of one step
  CHECK_FALSE(without({40, 41, 42, 43}).complete);  // a step that nobody knows: it may have been the slow one
  CHECK_FALSE(without({399}).complete);             // cut short in its last step
  auto doubled = records;
  doubled[41] = doubled[42];
  CHECK_FALSE(block_times(plan, doubled).blocks[1].complete);
}

TEST_CASE("the p99 is the nearest rank's, and steps a second count what lies between the steps") {
  Plan plan = small_plan(1);
  plan.design.settle_steps = 1;
  auto records = steps_in_a_row(1, 201, kRanks);
  for (StepRecord& record : records)
    if (record.step == 50 || record.step == 60 || record.step == 70 || record.step == 0) record.end_ns += 90'000'000;
  const BlockTimes times = block_times(plan, records).blocks[1];
  CHECK(times.steps == 200);
  CHECK(times.p99_ns == Approx(100.25e6));  // three stalls among 200: the 198th value is one of them
  CHECK(times.median_ns == Approx(10.25e6));
  CHECK(times.steps_per_s == Approx(1000.0 / 12).epsilon(0.01));
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
