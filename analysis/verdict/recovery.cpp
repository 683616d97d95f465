#include "analysis/verdict/recovery.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "analysis/stats/effect.hpp"
#include "analysis/stats/median.hpp"

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
      if (steps[i].records == ranks) usual.push_back(mean_ns(steps[i]));
  }
  if (usual.empty()) return 0;
  const auto place = static_cast<std::ptrdiff_t>(kBackQuantile * static_cast<double>(usual.size() - 1));
  std::nth_element(usual.begin(), usual.begin() + place, usual.end());
  return usual[static_cast<std::size_t>(place)];
}

/// From the block's first step to the first of a row of usual ones.
std::optional<double> back_after_ns(const Steps& steps, double limit_ns, std::uint32_t ranks) {
  int row = 0;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    row = steps[i].records == ranks && mean_ns(steps[i]) <= limit_ns ? row + 1 : 0;
    if (row < kStepsInARow) continue;
    const Step& first = steps[i + 1 - static_cast<std::size_t>(kStepsInARow)];
    return static_cast<double>(first.start_ns - steps.front().start_ns);
  }
  return std::nullopt;
}

/// Mean and median step time of the second half of a block's time.
std::optional<std::pair<double, double>> second_half(const Steps& steps, std::uint32_t ranks) {
  if (steps.empty()) return std::nullopt;
  const std::int64_t middle_ns = steps.front().start_ns + (steps.back().start_ns - steps.front().start_ns) / 2;
  std::vector<double> late;
  for (const Step& step : steps)
    if (step.records == ranks && step.start_ns >= middle_ns) late.push_back(mean_ns(step));
  if (late.empty()) return std::nullopt;
  const double mean = std::accumulate(late.begin(), late.end(), 0.0) / static_cast<double>(late.size());
  return std::pair(mean, median(std::move(late)));  // as of the baseline blocks it is held against
}

const Block* baseline_of(const Plan& plan, int pair) {
  for (const Block& block : plan.blocks)
    if (block.pair == pair && block.kind == BlockKind::baseline) return &block;
  return nullptr;
}

}  // namespace

std::optional<Recovery> recovery_after(const Plan& plan, std::span<const StepRecord> records, const RunTimes& times,
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
    ++recovery.blocks;
    if (const auto after = back_after_ns(steps, limit_ns, ranks)) back_ns.push_back(*after);
    const Block* baseline = baseline_of(plan, block.pair);
    const auto late = second_half(steps, ranks);
    if (baseline == nullptr || !late) continue;
    const BlockTimes& before = times.blocks[static_cast<std::size_t>(baseline->index)];
    pairs.push_back({block.pair, before.mean_ns, before.median_ns, late->first, late->second});
  }
  if (recovery.blocks == 0) return std::nullopt;
  recovery.recovered = static_cast<int>(back_ns.size());
  back_ns.resize(static_cast<std::size_t>(recovery.blocks), std::numeric_limits<double>::infinity());
  if (const double p50_ns = median(back_ns); std::isfinite(p50_ns)) recovery.p50_ns = p50_ns;
  if (const auto effects = paired_effects(pairs, looks); !effects.empty())
    recovery.carry_over = leading_effect(effects);
  return recovery;
}

}  // namespace grit
