// From step records to one mean and one median step time a block.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "harness/model/plan.hpp"
#include "harness/model/step_record.hpp"

namespace grit {

/// Of all its nodes.
std::uint32_t rank_count(const Topology& topology);

/// The time of one step is the mean over its ranks of end - start, each on its own clock: clocks of different nodes are
/// never compared, and since the ranks meet in the step's collectives they all carry a delay of any one of them.
struct BlockTimes {
  std::int64_t steps = 0;  // steps measured: those after Design::settle_steps
  double mean_ns = 0;      // over the steps measured
  double median_ns = 0;
  bool any_record = false;  // the block began
  /// Every step has one sound record of every rank, at least one step is left after settling and, for blocks of a fixed
  /// number of steps, all of them are there. Whether a block in time was cut short cannot be seen from records alone.
  bool complete = false;
};

struct RunTimes {
  std::vector<BlockTimes> blocks;      // one for each of Plan::blocks, in that order
  std::uint64_t corrupted_values = 0;  // sum of StepRecord::corrupted
  std::uint64_t records_out_of_place =
      0;  // of no block of the plan or no rank of the topology, ending before they start ...
};

/// One pass over the records, in any order; memory grows with the number of steps, not of ranks. Never fails: what does
/// not fit is counted and makes its block incomplete.
RunTimes block_times(const Plan& plan, std::span<const StepRecord> records);

}  // namespace grit
