// What is commonly done with two sets of step times, to be measured beside grit's paired design on the same data.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

namespace grit::bench {

struct TwoSamples {
  std::vector<double> baseline, fault;
};

constexpr double kNormal975 = 1.959963984540054;

/// Mann and Whitney (1947), normal approximation; step times are continuous, so there are hardly any ties.
inline double mann_whitney_z(const TwoSamples& samples) {
  std::vector<std::pair<double, bool>> all;
  for (const double x : samples.baseline) all.emplace_back(x, false);
  for (const double x : samples.fault) all.emplace_back(x, true);
  std::sort(all.begin(), all.end());
  double rank_sum = 0;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (all[i].second) rank_sum += static_cast<double>(i + 1);
  const double n = static_cast<double>(samples.fault.size()), m = static_cast<double>(samples.baseline.size());
  return (rank_sum - n * (n + m + 1) / 2) / std::sqrt(n * m * (n + m + 1) / 12);
}

/// Welch (1947). With hundreds of steps a side the t quantile is the normal one to three digits.
inline double welch_t(const TwoSamples& samples) {
  const auto moments = [](const std::vector<double>& x) {
    const double n = static_cast<double>(x.size());
    const double mean = std::accumulate(x.begin(), x.end(), 0.0) / n;
    double squares = 0;
    for (const double value : x) squares += (value - mean) * (value - mean);
    return std::pair(mean, squares / (n - 1) / n);
  };
  const auto [baseline_mean, baseline_error] = moments(samples.baseline);
  const auto [fault_mean, fault_error] = moments(samples.fault);
  return (fault_mean - baseline_mean) / std::sqrt(baseline_error + fault_error);
}

inline double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// By how much the median step is longer: what a rule "alarm above 5 %" looks at.
inline double median_change(const TwoSamples& samples) { return median(samples.fault) / median(samples.baseline) - 1; }

}  // namespace grit::bench
