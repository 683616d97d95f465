// From step records to one mean and one median step time a block.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "analysis/records/paged.hpp"
#include "harness/model/plan.hpp"
#include "harness/model/step_record.hpp"

namespace grit {

/// Of all its nodes.
std::uint32_t rank_count(const Topology& topology);

/// The time of one step is the mean over its ranks of end - start, each on its own clock: clocks of different nodes are
/// never compared, and since the ranks meet in the step's collectives they all carry a delay of any one of them.
/// The share of a step's records that may be missing. The ranks meet in every step, so that each carries the delay of
/// any other: without a thousandth of them the mean over ranks is the same to a thousandth of their spread, while one
/// lost record of 16 million would else cost its pair. Below 1,000 ranks none may be missing.
constexpr double kMissingRecords = 0.001;

struct BlockTimes {
  std::int64_t steps = 0;  // steps measured: those after Design::settle_steps
  double mean_ns = 0;      // over the steps measured
  double median_ns = 0;
  bool any_record = false;  // the block began
  /// Every step has one sound record of every rank (but kMissingRecords of them), at least one step is left after
  /// settling and, for blocks of a fixed number of steps, all of them are there. Whether a block in time was cut short
  /// cannot be seen from records alone.
  bool complete = false;
};

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
    std::uint64_t rank_sum = 0;  // with `records` it tells one record of each rank from a doubled and a missing one
  };
  struct OneBlock {
    Paged<Step> steps{};
    bool sound = true;
  };
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
