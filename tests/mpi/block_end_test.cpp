#include "harness/run/block_end.hpp"

#include <chrono>
#include <thread>
#include <vector>

#include "harness/base/clock.hpp"
#include "tests/catch.hpp"

using namespace grit;

namespace {

int own_rank() {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank;
}

/// How many steps a block has in which time is over with the beginning of this one. Each takes rank 0 so long.
std::uint32_t steps_of_block(BlockEnd& end, std::uint32_t over_in, std::chrono::milliseconds pause,
                             std::vector<StepRecord>& records) {
  for (std::uint32_t step = 0;; ++step) {
    StepRecord record;
    record.start_ns = monotonic_ns();
    if (own_rank() == 0) std::this_thread::sleep_for(pause);
    // What the others say does not count.
    REQUIRE(end.begin_step(own_rank() == 0 ? step >= over_in : step % 2 == 0));
    record.end_ns = monotonic_ns();
    const auto last = end.end_step(record);
    REQUIRE(last);
    records.push_back(record);
    if (*last) return step + 1;
  }
}

}  // namespace

TEST_CASE("all ranks end a block in time after the same step, one block after the other") {
  auto end = BlockEnd::make(MPI_COMM_WORLD);
  REQUIRE(end);
  std::vector<StepRecord> records;
  for (const std::uint32_t over_in : {5U, 0U, 1U, 0U, 40U})
    CHECK(steps_of_block(*end, over_in, std::chrono::milliseconds(0), records) == over_in + kEndAhead_steps);
}

TEST_CASE("a rank that has to wait for what rank 0 tells counts the wait as communication") {
  auto end = BlockEnd::make(MPI_COMM_WORLD);
  REQUIRE(end);
  std::vector<StepRecord> records;
  MPI_Barrier(MPI_COMM_WORLD);
  CHECK(steps_of_block(*end, 4, std::chrono::milliseconds(20), records) == 4 + kEndAhead_steps);
  std::int64_t waited_ns = 0;
  for (const StepRecord& record : records) {
    waited_ns += record.exposed_comm_ns;
    CHECK(record.exposed_comm_ns <= record.end_ns - record.start_ns);
  }
  // Rank 0 takes 160 ms for its eight steps; what it told with the last three is waited for when the last step is over.
  if (own_rank() > 0) CHECK(waited_ns > 20'000'000);
}
