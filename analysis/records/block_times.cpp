#include "analysis/records/block_times.hpp"

#include <algorithm>
#include <numeric>

#include "analysis/stats/median.hpp"

namespace grit {

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
    step.start_sum_ns += static_cast<std::uint64_t>(record.start_ns);
    step.rank_sum += record.rank;
  }
}

/// Known by its records, which can be those of different ranks: what the sum of their ranks' numbers lacks is no more
/// than the missing ranks' can be. Where one is missing, another one that is there twice may go unseen.
bool BlockTimesSum::is_sound(const Step& step) const {
  if (!is_known_by(step.records, ranks_)) return false;
  const std::uint64_t all = std::uint64_t{ranks_} * (ranks_ - 1) / 2, missing = ranks_ - step.records;
  return step.rank_sum <= all && all - step.rank_sum <= missing * (ranks_ - 1);
}

/// By the mean over ranks of when they began the first and ended the last measured step of which all left a record.
double BlockTimesSum::steps_per_s(const OneBlock& block, std::size_t settle_steps) const {
  const auto whole = [&](std::size_t i) {
    const Step* step = block.steps.find(i);
    return step != nullptr && step->records == ranks_ ? step : nullptr;
  };
  std::size_t first = settle_steps, end = block.steps.size();
  while (first < end && whole(first) == nullptr) ++first;
  while (end > first && whole(end - 1) == nullptr) --end;
  if (first == end) return 0;
  const Step &begins = *whole(first), &ends = *whole(end - 1);
  const auto taken_ns = static_cast<std::int64_t>(ends.start_sum_ns - begins.start_sum_ns) + ends.duration_ns;
  return taken_ns > 0 ? 1e9 * ranks_ * static_cast<double>(end - first) / static_cast<double>(taken_ns) : 0;
}

BlockTimes BlockTimesSum::times_of(const OneBlock& block, const Design& design) const {
  BlockTimes times;
  times.any_record = block.steps.size() > 0;
  if (!block.sound || ranks_ == 0) return times;
  const auto settle_steps = static_cast<std::size_t>(std::max<std::int64_t>(design.settle_steps, 0));
  std::vector<double> durations;
  std::uint64_t missing = 0;
  for (std::size_t i = 0; i < block.steps.size(); ++i) {
    const Step* step = block.steps.find(i);
    if (step == nullptr || !is_sound(*step)) return times;
    missing += ranks_ - step->records;
    if (i >= settle_steps) durations.push_back(static_cast<double>(step->duration_ns) / step->records);
  }
  const auto too_many = [&](std::uint64_t lacking, double of) {
    return static_cast<double>(lacking) > kMissingRecords * of;
  };
  const double ranks = ranks_;
  if (durations.empty() || too_many(missing, ranks * static_cast<double>(block.steps.size()))) return times;
  // A run that is cut short ends within a step.
  if (too_many(ranks_ - block.steps.find(block.steps.size() - 1)->records, ranks)) return times;
  const std::size_t n = durations.size();
  times.missing = missing;
  times.steps = static_cast<std::int64_t>(n);
  times.mean_ns = std::accumulate(durations.begin(), durations.end(), 0.0) / static_cast<double>(n);
  times.steps_per_s = steps_per_s(block, settle_steps);
  const auto p99 = durations.begin() + static_cast<std::ptrdiff_t>((99 * n + 99) / 100 - 1);
  std::nth_element(durations.begin(), p99, durations.end());
  times.p99_ns = *p99;
  times.median_ns = median(std::move(durations));
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
