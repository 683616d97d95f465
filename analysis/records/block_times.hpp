// From step records to a block's step times: mean, median, 99th percentile, and steps a second.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "analysis/records/paged.hpp"
#include "harness/model/plan.hpp"
#include "harness/model/step_record.hpp"

namespace grit {

/// The share of a block's records that may be missing, while every step has those of half of the ranks or more. The
/// ranks meet in every step, so that each carries the delay of any other, and a step is known by the records that it
/// has: without a hundredth of them a block's mean is the same to a hundredth of the ranks' spread. One lost record of
/// 16 million would else cost its pair.
constexpr double kMissingRecords = 0.01;

/// The time of one step is the mean over its ranks of end - start, each on its own clock: clocks of different nodes are
/// never compared, and since the ranks meet in the step's collectives they all carry a delay of any one of them.
struct BlockTimes {
  std::int64_t steps = 0;  // steps measured: those after Design::settle_steps
  double mean_ns = 0;      // over the steps measured
  double median_ns = 0;
  double p99_ns = 0;          // nearest rank: of fewer than 100 steps the slowest one
  double steps_per_s = 0;     // from the first measured step's start to the last one's end, with what lies between
  bool any_record = false;    // the block began
  std::uint64_t missing = 0;  // records that a complete block lacks
  /// Every step has one sound record of every rank (but kMissingRecords of the block's, and of the last step's), at
  /// least one step is left after settling and, for blocks of a fixed number of steps, all of them are there. Whether a
  /// block in time was cut short cannot be seen from records alone.
  bool complete = false;
};

/// Is a step's time known by so many of its records?
constexpr bool is_known_by(std::uint32_t records, std::uint32_t ranks) {
  return records > 0 && records <= ranks && 2 * std::uint64_t{records} >= ranks;
}

struct RunTimes {
  std::vector<BlockTimes> blocks;      // one for each of Plan::blocks, in that order
  std::uint64_t corrupted_values = 0;  // sum of StepRecord::corrupted
  std::uint64_t records_out_of_place =
      0;  // of no block of the plan or no rank of the topology, ending before they start ...
};

/// Adds up records, in any order; memory grows with the number of steps, not of ranks. Never fails: what does not fit
/// is counted and makes its block incomplete.
class BlockTimesSum {
 public:
  /// `records`: how many there are in all; a block has at most as many steps. The plan is kept by the caller.
  BlockTimesSum(const Plan& plan, std::size_t records);
  void take(std::span<const StepRecord> records);
  [[nodiscard]] RunTimes finish() const;

 private:
  /// The records of one step, over all ranks.
  struct Step {
    std::int64_t duration_ns = 0;
    std::uint32_t records = 0;
    std::uint64_t start_sum_ns = 0;  // wraps; only differences are used
    std::uint64_t rank_sum = 0;      // with `records` it tells one record of each rank from a doubled and a missing one
  };
  struct OneBlock {
    Paged<Step> steps{};
    bool sound = true;
  };
  [[nodiscard]] bool is_sound(const Step& step) const;
  [[nodiscard]] double steps_per_s(const OneBlock& block, std::size_t settle_steps) const;
  [[nodiscard]] BlockTimes times_of(const OneBlock& block, const Design& design) const;

  const Plan& plan_;
  std::size_t records_;
  std::uint32_t ranks_;
  std::vector<OneBlock> blocks_;
  RunTimes run_{};
};

/// One pass over the records.
RunTimes block_times(const Plan& plan, std::span<const StepRecord> records);

}  // namespace grit
