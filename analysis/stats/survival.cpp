#include "analysis/stats/survival.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "analysis/stats/median_interval.hpp"

namespace grit {
namespace {

constexpr std::size_t kFewestForApproximation = 10;
constexpr double kTwoSided = 1.959964;  // the normal distribution's 97.5 %

/// The curve after one of its times.
struct Step {
  double time = 0;
  double left = 1;      // share that had not come yet
  double variance = 0;  // Greenwood's sum: of log(left)
};

/// Ties: who came at a time is counted before who was given up at it.
std::vector<Step> curve_of(const std::vector<Waited>& sorted) {
  std::vector<Step> curve;
  double left = 1, variance = 0;
  for (std::size_t i = 0; i < sorted.size();) {
    const double time = sorted[i].time, at_risk = static_cast<double>(sorted.size() - i);
    double came = 0;
    for (; i < sorted.size() && sorted[i].time == time; ++i) came += sorted[i].came ? 1 : 0;
    if (came == 0) continue;
    left *= 1 - came / at_risk;
    variance += came < at_risk ? came / (at_risk * (at_risk - came)) : 0;
    curve.push_back({time, left, variance});
  }
  return curve;
}

/// The value z standard errors above, or below, on the scale of log(-log).
double band(const Step& step, double z) {
  const double minus_log = -std::log(step.left);
  return std::exp(-std::exp(std::log(minus_log) - z * std::sqrt(step.variance) / minus_log));
}

std::optional<Interval> approximate_interval(const std::vector<Step>& curve, std::size_t count) {
  if (count < kFewestForApproximation) return std::nullopt;
  Interval interval{std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
  for (const Step& step : curve) {
    if (step.left <= 0 || step.left >= 1) continue;
    if (std::isinf(interval.low) && band(step, -kTwoSided) <= 0.5) interval.low = step.time;
    if (std::isinf(interval.high) && band(step, kTwoSided) <= 0.5) interval.high = step.time;
  }
  if (std::isinf(interval.low)) return std::nullopt;
  return interval;
}

/// All that did not come were looked at longer than any that did.
std::optional<Interval> exact_interval(const std::vector<Waited>& sorted) {
  std::vector<double> latest, earliest;
  for (const Waited& one : sorted) {
    earliest.push_back(one.time);
    latest.push_back(one.came ? one.time : std::numeric_limits<double>::infinity());
  }
  const auto low = median_interval(std::move(earliest), 0.025), high = median_interval(std::move(latest), 0.025);
  if (!low || !high) return std::nullopt;
  return Interval{low->low, high->high};
}

}  // namespace

WaitedMedian waited_median(std::vector<Waited> waited) {
  std::sort(waited.begin(), waited.end(),
            [](const Waited& a, const Waited& b) { return a.time != b.time ? a.time < b.time : a.came && !b.came; });
  WaitedMedian result;
  const std::vector<Step> curve = curve_of(waited);
  constexpr double kRounding = 1e-12;
  const auto half =
      std::find_if(curve.begin(), curve.end(), [](const Step& step) { return step.left <= 0.5 + kRounding; });
  if (half != curve.end()) result.median = half->time;
  const auto given_up = std::find_if(waited.begin(), waited.end(), [](const Waited& one) { return !one.came; });
  const bool common = std::none_of(given_up, waited.end(), [](const Waited& one) { return one.came; });
  result.interval = common ? exact_interval(waited) : approximate_interval(curve, waited.size());
  return result;
}

}  // namespace grit
