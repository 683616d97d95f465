#include "analysis/stats/two_samples.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <random>

#include "harness/base/result.hpp"

namespace grit {
namespace {

double mean_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double sum_of_squares(std::span<const double> values) {
  const double mean = mean_of(values);
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return sum;
}

/// Of a division that calls the values at `places` the old ones: the mean of the new ones that came in less the mean of
/// the old ones that went out. Empty for the real division.
std::optional<double> breakpoint(std::span<const double> pooled, std::size_t old_count,
                                 const std::vector<std::size_t>& places) {
  std::vector<bool> stays(old_count, false);
  double came_in = 0, went_out = 0;
  std::size_t exchanged = 0;
  for (const std::size_t place : places) {
    if (place < old_count)
      stays[place] = true;
    else
      came_in += pooled[place], ++exchanged;
  }
  if (exchanged == 0) return std::nullopt;
  for (std::size_t i = 0; i < old_count; ++i)
    if (!stays[i]) went_out += pooled[i];
  return (came_in - went_out) / static_cast<double>(exchanged);
}

/// The next combination of `count` places in lexical order; false after the last.
bool next_combination(std::vector<std::size_t>& places, std::size_t count) {
  const std::size_t n = places.size();
  for (std::size_t i = n; i-- > 0;) {
    if (places[i] + (n - i) >= count) continue;
    ++places[i];
    for (std::size_t j = i + 1; j < n; ++j) places[j] = places[j - 1] + 1;
    return true;
  }
  return false;
}

/// Equal values must count as equal, whatever the order in which they were added up.
double tolerance_of(double theta, double scale) { return 1e-12 * (std::abs(theta) + std::abs(scale) + 1e-9); }

}  // namespace

double divisions(std::size_t n, std::size_t m) {
  double count = 1;
  for (std::size_t i = 1; i <= std::min(n, m); ++i)
    count = count * static_cast<double>(n + m - std::min(n, m) + i) / static_cast<double>(i);
  return std::round(count);
}

double smallest_permutation_p(std::size_t n, std::size_t m) { return std::min(1.0, 2 / divisions(n, m)); }

void each_other_division(std::size_t n, std::size_t m, std::size_t most,
                         const std::function<void(const std::vector<std::size_t>&)>& visit) {
  std::vector<std::size_t> places(n);
  std::iota(places.begin(), places.end(), std::size_t{0});
  if (divisions(n, m) <= static_cast<double>(most)) {
    while (next_combination(places, n + m)) visit(places);
    return;
  }
  std::mt19937_64 random(20261126);
  std::vector<std::size_t> order(n + m);
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t drawn = 1; drawn < most; ++drawn) {
    for (std::size_t i = 0; i < n; ++i) {  // the first places of a shuffle
      std::uniform_int_distribution<std::size_t> rest(i, order.size() - 1);
      std::swap(order[i], order[rest(random)]);
      places[i] = order[i];
    }
    visit(places);
  }
}

PermutationTest::PermutationTest(std::span<const double> before, std::span<const double> after) {
  GRIT_ASSERT(!before.empty() && !after.empty());
  estimate_ = mean_of(after) - mean_of(before);
  std::vector<double> pooled(before.begin(), before.end());
  pooled.insert(pooled.end(), after.begin(), after.end());
  each_other_division(before.size(), after.size(), kExactLimit, [&](const std::vector<std::size_t>& places) {
    if (const auto value = breakpoint(pooled, before.size(), places)) breakpoints_.push_back(*value);
  });
  std::sort(breakpoints_.begin(), breakpoints_.end());
}

double PermutationTest::p_value(double theta) const {
  const double slack = tolerance_of(theta, estimate_);
  const auto at_most = std::upper_bound(breakpoints_.begin(), breakpoints_.end(), theta + slack);
  const auto at_least = std::lower_bound(breakpoints_.begin(), breakpoints_.end(), theta - slack);
  const auto below = static_cast<double>(at_most - breakpoints_.begin());
  const auto above = static_cast<double>(breakpoints_.end() - at_least);
  const auto all = static_cast<double>(breakpoints_.size() + 1);
  return std::min(1.0, 2 * (std::min(below, above) + 1) / all);
}

std::optional<Interval> PermutationTest::confidence_interval(double alpha) const {
  const auto all = static_cast<double>(breakpoints_.size() + 1);
  // theta stands when more than alpha/2 of the divisions are as extreme: at least `rank` breakpoints and the real one.
  const auto rank = static_cast<std::size_t>(std::floor(alpha / 2 * all + 1e-9));
  if (rank < 1) return std::nullopt;
  return Interval{breakpoints_[rank - 1], breakpoints_[breakpoints_.size() - rank]};
}

double student_t_two_sided_p(double t, double degrees_of_freedom) {
  const double nu = degrees_of_freedom;
  const double end = std::atan(std::abs(t) / std::sqrt(nu));
  constexpr int kParts = 200;  // even, for Simpson's rule
  const double width = end / kParts;
  const auto density = [&](double angle) { return std::pow(std::cos(angle), nu - 1); };
  double sum = density(0) + density(end);
  for (int i = 1; i < kParts; ++i) sum += (i % 2 == 1 ? 4 : 2) * density(i * width);
  const double whole = std::sqrt(std::numbers::pi) / 2 * std::exp(std::lgamma(nu / 2) - std::lgamma((nu + 1) / 2));
  return std::clamp(1 - sum * width / 3 / whole, 0.0, 1.0);
}

double student_t_critical(double alpha, double degrees_of_freedom) {
  double low = 0, high = 2;
  while (student_t_two_sided_p(high, degrees_of_freedom) > alpha) high *= 2;
  for (int i = 0; i < 50; ++i) {
    const double middle = (low + high) / 2;
    (student_t_two_sided_p(middle, degrees_of_freedom) > alpha ? low : high) = middle;
  }
  return (low + high) / 2;
}

std::optional<TTest> t_test(std::span<const double> before, std::span<const double> after, double alpha) {
  if (before.empty() || after.empty() || before.size() + after.size() < 3) return std::nullopt;
  const auto n = static_cast<double>(before.size()), m = static_cast<double>(after.size());
  TTest test;
  test.estimate = mean_of(after) - mean_of(before);
  const double old_squares = sum_of_squares(before), new_squares = sum_of_squares(after);
  double variance = 0;
  if (before.size() < 2 || after.size() < 2) {
    test.degrees_of_freedom = n + m - 2;
    variance = (old_squares + new_squares) / test.degrees_of_freedom * (1 / n + 1 / m);
  } else {
    const double old_part = old_squares / (n - 1) / n, new_part = new_squares / (m - 1) / m;
    variance = old_part + new_part;
    const double denominator = old_part * old_part / (n - 1) + new_part * new_part / (m - 1);
    test.degrees_of_freedom = denominator > 0 ? variance * variance / denominator : n + m - 2;
  }
  test.standard_error = std::sqrt(variance);
  if (test.standard_error > 0)
    test.p = student_t_two_sided_p(test.estimate / test.standard_error, test.degrees_of_freedom);
  else
    test.p = test.estimate == 0 ? 1 : 0;
  const double half = test.standard_error * student_t_critical(alpha, test.degrees_of_freedom);
  test.interval = {test.estimate - half, test.estimate + half};
  return test;
}

}  // namespace grit
