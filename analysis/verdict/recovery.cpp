#include "analysis/verdict/recovery.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "analysis/stats/effect.hpp"
#include "analysis/stats/median.hpp"
#include "analysis/stats/median_interval.hpp"

namespace grit {
namespace {

struct Step {
  std::int64_t start_ns = std::numeric_limits<std::int64_t>::max();  // of the first rank of the plan that left a record
  std::uint32_t rank = std::numeric_limits<std::uint32_t>::max();    // whose clock that is
  double total_ns = 0;
  std::uint32_t records = 0;
};
using Steps = std::vector<Step>;  // of one block, by step_in_block

/// The steps of recovery and baseline blocks; other blocks' lists stay empty.
std::vector<Steps> collect(const Plan& plan, std::span<const StepRecord> records) {
  std::vector<char> wanted(plan.blocks.size());
  for (const Block& block : plan.blocks)
    wanted[static_cast<std::size_t>(block.index)] =
        block.kind == BlockKind::recovery || block.kind == BlockKind::baseline ? 1 : 0;
  std::vector<Steps> blocks(plan.blocks.size());
  for (const StepRecord& record : records) {
    if (record.block >= wanted.size() || wanted[record.block] == 0 || record.step_in_block >= records.size()) continue;
    Steps& steps = blocks[record.block];
    if (steps.size() <= record.step_in_block) steps.resize(record.step_in_block + std::size_t{1});
    Step& step = steps[record.step_in_block];
    if (record.rank < step.rank) step.rank = record.rank, step.start_ns = record.start_ns;
    step.total_ns += static_cast<double>(record.end_ns - record.start_ns);
    ++step.records;
  }
  return blocks;
}

double mean_ns(const Step& step) { return step.total_ns / step.records; }

/// What a step of the baseline blocks takes at most, but for one in twenty. 0: there is none.
double usual_limit_ns(const Plan& plan, const std::vector<Steps>& blocks, std::uint32_t ranks) {
  std::vector<double> usual;
  for (const Block& block : plan.blocks) {
    if (block.kind != BlockKind::baseline) continue;
    const Steps& steps = blocks[static_cast<std::size_t>(block.index)];
    for (std::size_t i = static_cast<std::size_t>(plan.design.settle_steps); i < steps.size(); ++i)
      if (is_known_by(steps[i].records, ranks)) usual.push_back(mean_ns(steps[i]));
  }
  if (usual.empty()) return 0;
  const auto place = static_cast<std::ptrdiff_t>(kBackQuantile * static_cast<double>(usual.size() - 1));
  std::nth_element(usual.begin(), usual.begin() + place, usual.end());
  return usual[static_cast<std::size_t>(place)];
}

/// Clocks of different ranks may be those of different nodes, and their times are never subtracted.
bool are_of_one_clock(const Step& x, const Step& y) { return x.records > 0 && y.records > 0 && x.rank == y.rank; }

/// From the block's first step to the first of a row of usual ones; infinite: there is no such row. Empty: not known,
/// since the records by which the two would be compared are missing.
std::optional<double> back_after_ns(const Steps& steps, double limit_ns, std::uint32_t ranks) {
  int row = 0;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    row = is_known_by(steps[i].records, ranks) && mean_ns(steps[i]) <= limit_ns ? row + 1 : 0;
    if (row < kStepsInARow) continue;
    const Step& first = steps[i + 1 - static_cast<std::size_t>(kStepsInARow)];
    if (!are_of_one_clock(steps.front(), first)) return std::nullopt;
    return static_cast<double>(first.start_ns - steps.front().start_ns);
  }
  return std::numeric_limits<double>::infinity();
}

/// Of the steps from this one on.
std::vector<double> times_from(const Steps& steps, std::size_t first, std::uint32_t ranks) {
  std::vector<double> times;
  for (std::size_t i = first; i < steps.size(); ++i)
    if (is_known_by(steps[i].records, ranks)) times.push_back(mean_ns(steps[i]));
  return times;
}

/// The first step that began in the second half of the block. Empty: not known.
std::optional<std::size_t> second_half(const Steps& steps) {
  const Step& begin = steps.front();
  if (!are_of_one_clock(begin, steps.back())) return std::nullopt;
  const std::int64_t middle_ns = begin.start_ns + (steps.back().start_ns - begin.start_ns) / 2;
  const auto first = std::find_if(steps.begin(), steps.end(), [&](const Step& step) {
    return are_of_one_clock(begin, step) && step.start_ns >= middle_ns;
  });
  return static_cast<std::size_t>(first - steps.begin());
}

double mean_of_last(std::span<const double> values, std::size_t count) {
  const auto last = values.last(count);
  return std::accumulate(last.begin(), last.end(), 0.0) / static_cast<double>(count);
}

double median_of_last(std::span<const double> values, std::size_t count) {
  const auto last = values.last(count);
  return median({last.begin(), last.end()});
}

/// The last steps of a recovery block, which has some, against as many of its pair's baseline.
std::optional<PairTimes> late_steps(int pair, const Steps& baseline, const Steps& recovery, std::int64_t settle_steps,
                                    std::uint32_t ranks) {
  const auto late = second_half(recovery);
  if (!late) return std::nullopt;
  const auto before = times_from(baseline, static_cast<std::size_t>(settle_steps), ranks);
  const auto after = times_from(recovery, *late, ranks);
  const std::size_t count = std::min(before.size(), after.size());
  if (count == 0) return std::nullopt;
  return PairTimes{pair, mean_of_last(before, count), median_of_last(before, count), mean_of_last(after, count),
                   median_of_last(after, count)};
}

const Block* baseline_of(const Plan& plan, int pair) {
  for (const Block& block : plan.blocks)
    if (block.pair == pair && block.kind == BlockKind::baseline) return &block;
  return nullptr;
}

}  // namespace

std::optional<Recovery> recovery_after(const Plan& plan, std::span<const StepRecord> records,
                                       std::span<const int> usable, int looks) {
  if (plan.design.recovery_ns == 0) return std::nullopt;
  const std::uint32_t ranks = rank_count(plan.topology);
  const std::vector<Steps> blocks = collect(plan, records);
  const double limit_ns = usual_limit_ns(plan, blocks, ranks);
  Recovery recovery;
  std::vector<double> back_ns;
  std::vector<PairTimes> pairs;
  for (const Block& block : plan.blocks) {
    const bool counts = std::find(usable.begin(), usable.end(), block.pair) != usable.end();
    const Steps& steps = blocks[static_cast<std::size_t>(block.index)];
    if (block.kind != BlockKind::recovery || !counts || steps.empty()) continue;
    if (const auto after_ns = back_after_ns(steps, limit_ns, ranks)) back_ns.push_back(*after_ns);
    const Block* baseline = baseline_of(plan, block.pair);
    if (baseline == nullptr) continue;
    const Steps& before = blocks[static_cast<std::size_t>(baseline->index)];
    if (const auto late = late_steps(block.pair, before, steps, plan.design.settle_steps, ranks))
      pairs.push_back(*late);
  }
  if (back_ns.empty()) return std::nullopt;
  recovery.blocks = static_cast<int>(back_ns.size());
  recovery.recovered = static_cast<int>(
      std::count_if(back_ns.begin(), back_ns.end(), [](double after_ns) { return std::isfinite(after_ns); }));
  if (const double p50_ns = median(back_ns); std::isfinite(p50_ns)) recovery.p50_ns = p50_ns;
  if (const auto interval = median_interval(std::move(back_ns), kFamilyAlpha / looks))
    recovery.p50_ci_ns = {interval->low, interval->high};
  if (const auto effects = paired_effects(pairs, looks); !effects.empty())
    recovery.carry_over = leading_effect(effects);
  return recovery;
}

std::optional<bool> is_back_within(const Recovery& recovery, double within_ns) {
  if (!recovery.p50_ci_ns) return std::nullopt;
  if (recovery.p50_ci_ns->second <= within_ns) return true;
  if (recovery.p50_ci_ns->first > within_ns) return false;
  return std::nullopt;
}

}  // namespace grit
