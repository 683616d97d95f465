#include "analysis/block_times.hpp"

#include <algorithm>
#include <numeric>

#include "analysis/paged.hpp"

namespace grit {
namespace {

/// The records of one step, over all ranks.
struct StepSum {
  std::int64_t duration_ns = 0;
  std::uint32_t records = 0;
  std::uint64_t rank_sum = 0;  // with `records` it tells one record of each rank from a doubled and a missing one
};

struct BlockSum {
  Paged<StepSum> steps{};
  bool sound = true;
};

BlockTimes summarize(const BlockSum& sum, const Design& design, std::uint32_t ranks) {
  BlockTimes times;
  times.any_record = sum.steps.size() > 0;
  if (!sum.sound || ranks == 0) return times;
  const std::uint64_t all_ranks = std::uint64_t{ranks} * (ranks - 1) / 2;
  const auto settle_steps = static_cast<std::size_t>(std::max<std::int64_t>(design.settle_steps, 0));
  std::vector<double> durations;
  for (std::size_t i = 0; i < sum.steps.size(); ++i) {
    const StepSum* step = sum.steps.find(i);
    if (step == nullptr || step->records != ranks || step->rank_sum != all_ranks) return times;
    if (i >= settle_steps) durations.push_back(static_cast<double>(step->duration_ns) / ranks);
  }
  if (durations.empty()) return times;
  const std::size_t n = durations.size();
  times.steps = static_cast<std::int64_t>(n);
  times.mean_ns = std::accumulate(durations.begin(), durations.end(), 0.0) / static_cast<double>(n);
  const auto middle = durations.begin() + static_cast<std::ptrdiff_t>(n / 2);
  std::nth_element(durations.begin(), middle, durations.end());
  times.median_ns = n % 2 == 1 ? *middle : (*std::max_element(durations.begin(), middle) + *middle) / 2;
  times.complete = design.block_steps <= 0 || sum.steps.size() == static_cast<std::size_t>(design.block_steps);
  return times;
}

}  // namespace

std::uint32_t rank_count(const Topology& topology) {
  std::size_t ranks = 0;
  for (const Node& node : topology.nodes) ranks += node.ranks.size();
  return static_cast<std::uint32_t>(ranks);
}

RunTimes block_times(const Plan& plan, std::span<const StepRecord> records) {
  RunTimes run;
  std::vector<BlockSum> sums(plan.blocks.size());
  const std::uint32_t ranks = rank_count(plan.topology);
  for (const StepRecord& record : records) {
    // A block has at most as many steps as there are records.
    if (record.block >= sums.size() || record.step_in_block >= records.size()) {
      ++run.records_out_of_place;
      continue;
    }
    BlockSum& block = sums[record.block];
    if (record.rank >= ranks || record.end_ns <= record.start_ns) {
      ++run.records_out_of_place;
      block.sound = false;
      continue;
    }
    run.corrupted_values += record.corrupted;
    StepSum& step = block.steps[record.step_in_block];
    step.duration_ns += record.end_ns - record.start_ns;
    step.records += 1;
    step.rank_sum += record.rank;
  }
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const bool warmup = plan.blocks[i].kind == BlockKind::warmup;
    Design design = plan.design;
    if (plan.blocks[i].kind == BlockKind::recovery) design.block_steps = 0;  // always in time
    if (warmup) design.block_steps = 0, design.settle_steps = 0;  // the warm-up has its own length and is not measured
    run.blocks.push_back(summarize(sums[i], design, ranks));
  }
  return run;
}

}  // namespace grit
