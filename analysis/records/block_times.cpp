#include "analysis/records/block_times.hpp"

#include <algorithm>
#include <numeric>

namespace grit {

std::uint32_t rank_count(const Topology& topology) {
  std::size_t ranks = 0;
  for (const Node& node : topology.nodes) ranks += node.ranks.size();
  return static_cast<std::uint32_t>(ranks);
}

BlockTimesSum::BlockTimesSum(const Plan& plan, std::size_t records)
    : plan_(plan), records_(records), ranks_(rank_count(plan.topology)), blocks_(plan.blocks.size()) {}

void BlockTimesSum::take(std::span<const StepRecord> records) {
  for (const StepRecord& record : records) {
    if (record.block >= blocks_.size() || record.step_in_block >= records_) {
      ++run_.records_out_of_place;
      continue;
    }
    OneBlock& block = blocks_[record.block];
    if (record.rank >= ranks_ || record.end_ns <= record.start_ns) {
      ++run_.records_out_of_place;
      block.sound = false;
      continue;
    }
    run_.corrupted_values += record.corrupted;
    Step& step = block.steps[record.step_in_block];
    step.duration_ns += record.end_ns - record.start_ns;
    step.records += 1;
    step.rank_sum += record.rank;
  }
}

BlockTimes BlockTimesSum::times_of(const OneBlock& block, const Design& design) const {
  BlockTimes times;
  times.any_record = block.steps.size() > 0;
  if (!block.sound || ranks_ == 0) return times;
  const std::uint64_t all_ranks = std::uint64_t{ranks_} * (ranks_ - 1) / 2;
  const auto may_miss = static_cast<std::uint32_t>(kMissingRecords * ranks_);
  const auto whole = [&](const Step& step) {
    if (step.records == ranks_) return step.rank_sum == all_ranks;
    const std::uint64_t missing = ranks_ - step.records;  // of ranks whose numbers add up to what is missing of the sum
    return step.records < ranks_ && missing <= may_miss && step.rank_sum <= all_ranks &&
           all_ranks - step.rank_sum <= missing * (ranks_ - 1);
  };
  const auto settle_steps = static_cast<std::size_t>(std::max<std::int64_t>(design.settle_steps, 0));
  std::vector<double> durations;
  for (std::size_t i = 0; i < block.steps.size(); ++i) {
    const Step* step = block.steps.find(i);
    if (step == nullptr || !whole(*step)) return times;
    if (i >= settle_steps) durations.push_back(static_cast<double>(step->duration_ns) / step->records);
  }
  if (durations.empty()) return times;
  const std::size_t n = durations.size();
  times.steps = static_cast<std::int64_t>(n);
  times.mean_ns = std::accumulate(durations.begin(), durations.end(), 0.0) / static_cast<double>(n);
  const auto middle = durations.begin() + static_cast<std::ptrdiff_t>(n / 2);
  std::nth_element(durations.begin(), middle, durations.end());
  times.median_ns = n % 2 == 1 ? *middle : (*std::max_element(durations.begin(), middle) + *middle) / 2;
  times.complete = design.block_steps <= 0 || block.steps.size() == static_cast<std::size_t>(design.block_steps);
  return times;
}

RunTimes BlockTimesSum::finish() const {
  RunTimes run = run_;
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const bool warmup = plan_.blocks[i].kind == BlockKind::warmup;
    Design design = plan_.design;
    if (plan_.blocks[i].kind == BlockKind::recovery) design.block_steps = 0;  // always in time
    if (warmup) design.block_steps = 0, design.settle_steps = 0;  // the warm-up has its own length and is not measured
    run.blocks.push_back(times_of(blocks_[i], design));
  }
  return run;
}

RunTimes block_times(const Plan& plan, std::span<const StepRecord> records) {
  BlockTimesSum sum(plan, records.size());
  sum.take(records);
  return sum.finish();
}

}  // namespace grit
