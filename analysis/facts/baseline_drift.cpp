#include "analysis/facts/baseline_drift.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/facts/wording.hpp"

namespace grit {
namespace {

constexpr double kSpreads = 3;            // of a change between blocks
constexpr double kRemarkFraction = 0.05;  // the smallest change that is worth a word in a verdict

}  // namespace

std::vector<ChangePoint> changes_of_blocks(std::span<const double> log_times) {
  std::vector<ChangePoint> found = change_points(log_times, kOfBlocks);
  std::erase_if(found, [](const ChangePoint& change) { return std::abs(change.shift) < kSpreads * change.spread; });
  return found;
}

std::string shift_words(double log_shift) {
  const double shift = std::expm1(log_shift);
  return fmt::format("{} {}", percent(std::abs(shift)), shift > 0 ? "slower" : "faster");
}

std::optional<std::string> baseline_change_remark(const Plan& plan, const RunTimes& times) {
  std::vector<double> log_times;
  std::vector<int> blocks;
  for (std::size_t i = 0; i < plan.blocks.size() && i < times.blocks.size(); ++i) {
    if (plan.blocks[i].kind != BlockKind::baseline || !times.blocks[i].complete) continue;
    log_times.push_back(std::log(times.blocks[i].median_ns));
    blocks.push_back(plan.blocks[i].index);
  }
  for (const ChangePoint& change : changes_of_blocks(log_times))
    if (!change.wandering && std::abs(std::expm1(change.shift)) >= kRemarkFraction)
      return fmt::format(
          "baseline steps became {} from block {} on ({}): something besides the planned faults changed, or "
          "they left something behind",
          shift_words(change.shift), blocks[change.first], p_text(change.p));
  return std::nullopt;
}

}  // namespace grit
