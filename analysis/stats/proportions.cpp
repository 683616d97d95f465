#include "analysis/stats/proportions.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace grit {
namespace {

/// log of n choose k.
double log_choices(int n, int k) { return std::lgamma(n + 1.0) - std::lgamma(k + 1.0) - std::lgamma(n - k + 1.0); }

/// The mean at which P(X <= k) is this large; it falls with the mean.
double mean_at(std::int64_t k, double probability) {
  double low = 0, high = static_cast<double>(k) + 10;
  while (poisson_cdf(k, high) > probability) high *= 2;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (poisson_cdf(k, middle) > probability ? low : high) = middle;
  }
  return (low + high) / 2;
}

}  // namespace

double binomial_cdf(int k, int n, double p) {
  if (k >= n || p <= 0) return 1;
  if (p >= 1) return 0;
  double sum = 0;
  for (int i = 0; i <= k; ++i) sum += std::exp(log_choices(n, i) + i * std::log(p) + (n - i) * std::log1p(-p));
  return std::min(sum, 1.0);
}

double share_at(int k, int n, double probability) {
  double low = 0, high = 1;
  for (int i = 0; i < 50; ++i) {
    const double middle = (low + high) / 2;
    (binomial_cdf(k, n, middle) > probability ? low : high) = middle;
  }
  return (low + high) / 2;
}

Interval clopper_pearson(int count, int of, double alpha) {
  return {share_at_least(count, of, alpha / 2), share_at_most(count, of, alpha / 2)};
}

double share_at_least(int count, int of, double alpha) { return count <= 0 ? 0 : share_at(count - 1, of, 1 - alpha); }

double share_at_most(int count, int of, double alpha) { return count >= of ? 1 : share_at(count, of, alpha); }

double poisson_cdf(std::int64_t k, double mean) {
  if (k < 0) return 0;
  if (mean <= 0) return 1;
  // From the largest term on in both directions, until terms do not count any more.
  const auto top = std::min(k, static_cast<std::int64_t>(mean));
  const double largest =
      std::exp(static_cast<double>(top) * std::log(mean) - mean - std::lgamma(static_cast<double>(top) + 1));
  double sum = largest;
  double term = largest;
  for (std::int64_t i = top; i > 0 && term > sum * 1e-17; --i) sum += term *= static_cast<double>(i) / mean;
  term = largest;
  for (std::int64_t i = top + 1; i <= k && term > sum * 1e-17; ++i) sum += term *= mean / static_cast<double>(i);
  return std::min(sum, 1.0);
}

Interval garwood(std::int64_t count, double alpha) {
  return {mean_at_least(count, alpha / 2), mean_at_most(count, alpha / 2)};
}

double mean_at_least(std::int64_t count, double alpha) { return count <= 0 ? 0 : mean_at(count - 1, 1 - alpha); }

double mean_at_most(std::int64_t count, double alpha) { return mean_at(count, alpha); }

double fisher_more(int count, int of, int other, int other_of) {
  const int came = count + other;
  double sum = 0;
  for (int k = count; k <= std::min(of, came); ++k)
    if (came - k <= other_of)
      sum += std::exp(log_choices(of, k) + log_choices(other_of, came - k) - log_choices(of + other_of, came));
  return std::min(sum, 1.0);
}

std::vector<double> holm(std::span<const double> p) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p[a] < p[b]; });
  std::vector<double> adjusted(p.size());
  double largest = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    largest = std::max(largest, std::min(1.0, p[order[i]] * static_cast<double>(p.size() - i)));
    adjusted[order[i]] = largest;
  }
  return adjusted;
}

double chi_square_above(double x, int degrees_of_freedom) {
  if (x <= 0) return 1;
  const bool odd = degrees_of_freedom % 2 != 0;
  double sum = odd ? std::erfc(std::sqrt(x / 2)) : std::exp(-x / 2);
  for (int df = odd ? 1 : 2; df < degrees_of_freedom; df += 2)
    sum += std::exp(df / 2.0 * std::log(x / 2) - x / 2 - std::lgamma(df / 2.0 + 1));
  return std::min(sum, 1.0);
}

Dispersion dispersion(std::span<const int> counts, std::span<const double> expected) {
  double sum = 0;
  int bins = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (expected[i] <= 0) continue;
    const double apart = counts[i] - expected[i];
    sum += apart * apart / expected[i];
    ++bins;
  }
  if (bins < 2) return {};
  return {sum / (bins - 1), chi_square_above(sum, bins - 1)};
}

}  // namespace grit
