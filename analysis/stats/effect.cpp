#include "analysis/stats/effect.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "analysis/stats/sign_flip.hpp"
#include "harness/base/result.hpp"

namespace grit {
namespace {

constexpr double kNormalQuantile80 = 0.8416212335729143;  // z of 80 % power

std::vector<double> log_ratios(std::span<const PairTimes> pairs, double PairTimes::*fault,
                               double PairTimes::*baseline) {
  std::vector<double> differences;
  for (const PairTimes& pair : pairs) differences.push_back(std::log(pair.*fault) - std::log(pair.*baseline));
  return differences;
}

double standard_deviation(std::span<const double> values) {
  const double n = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / (n - 1));
}

/// Of the exact sign-flip test: 2 of the 2^n sign patterns.
double smallest_p(std::size_t pairs) { return std::exp2(1 - static_cast<double>(pairs)); }

/// `tests`: how many chances to be wrong the level is shared between.
Effect effect_of(std::span<const double> differences, std::string statistic, int tests) {
  const SignFlipTest test(differences);
  const auto interval = test.confidence_interval(kFamilyAlpha / tests);
  GRIT_ASSERT(interval.has_value());  // smallest_p() was looked at
  const double location = hodges_lehmann(differences);
  const double n = static_cast<double>(differences.size());
  const double half_width = (interval->high - interval->low) / 2;
  const double error = standard_deviation(differences) / std::sqrt(n);
  const double detectable =
      half_width + kNormalQuantile80 * std::sqrt(error * error + half_width * half_width / (2 * (n - 1)));
  Effect effect;
  effect.statistic = std::move(statistic);
  effect.pairs = static_cast<int>(differences.size());
  effect.estimate = std::expm1(location);
  // The interval is that of the sum, the estimate that of signed ranks. Under a few huge pairs among many it could lie
  // outside; the interval then reaches to it, which only makes it cover more.
  effect.ci_low = std::expm1(std::min(interval->low, location));
  effect.ci_high = std::expm1(std::max(interval->high, location));
  effect.p = std::min(1.0, tests * test.p_value());
  effect.minimum_detectable = std::expm1(detectable);
  return effect;
}

std::optional<Effect> effect_alone(std::span<const PairTimes> pairs, double PairTimes::*fault,
                                   double PairTimes::*baseline, std::string statistic, int looks) {
  const auto measured = [&](const PairTimes& pair) { return pair.*fault > 0 && pair.*baseline > 0; };
  if (pairs.size() < static_cast<std::size_t>(fewest_pairs(looks)) ||
      !std::all_of(pairs.begin(), pairs.end(), measured))
    return std::nullopt;
  return effect_of(log_ratios(pairs, fault, baseline), std::move(statistic), looks);
}

bool excludes_zero(const Effect& effect) { return effect.ci_low > 0 || effect.ci_high < 0; }

}  // namespace

int fewest_pairs(int looks) {
  int pairs = 1;
  while (smallest_p(static_cast<std::size_t>(pairs)) > kFamilyAlpha / looks) ++pairs;
  return pairs;
}

std::vector<Effect> paired_effects(std::span<const PairTimes> pairs, int looks) {
  if (pairs.size() < static_cast<std::size_t>(fewest_pairs(looks))) return {};
  const int tests = smallest_p(pairs.size()) <= kFamilyAlpha / (2 * looks) ? 2 * looks : looks;
  std::vector<Effect> effects;
  effects.push_back(
      effect_of(log_ratios(pairs, &PairTimes::fault_mean_ns, &PairTimes::baseline_mean_ns), "mean", tests));
  if (tests == 2 * looks)
    effects.push_back(
        effect_of(log_ratios(pairs, &PairTimes::fault_median_ns, &PairTimes::baseline_median_ns), "median", tests));
  return effects;
}

std::optional<Effect> p99_effect(std::span<const PairTimes> pairs, int looks) {
  return effect_alone(pairs, &PairTimes::fault_p99_ns, &PairTimes::baseline_p99_ns, "p99", looks);
}

std::optional<Effect> throughput_effect(std::span<const PairTimes> pairs, int looks) {
  return effect_alone(pairs, &PairTimes::fault_steps_per_s, &PairTimes::baseline_steps_per_s, "throughput", looks);
}

const Effect& leading_effect(std::span<const Effect> effects) {
  GRIT_ASSERT(!effects.empty());
  if (excludes_zero(effects.front())) return effects.front();
  for (const Effect& effect : effects)
    if (excludes_zero(effect)) return effect;
  return effects.front();
}

double estimate_only(std::span<const PairTimes> pairs) {
  return std::expm1(hodges_lehmann(log_ratios(pairs, &PairTimes::fault_mean_ns, &PairTimes::baseline_mean_ns)));
}

}  // namespace grit
