#include "analysis/stats/autocorrelation.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "harness/base/result.hpp"

namespace grit {

Residuals& Residuals::operator+=(const Residuals& other) {
  squares += other.squares;
  products += other.products;
  return *this;
}

Residuals residuals(std::span<const double> values, std::span<const std::size_t> groups) {
  GRIT_ASSERT(values.size() == groups.size());
  std::vector<double> sums, counts;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (groups[i] >= sums.size()) sums.resize(groups[i] + 1, 0), counts.resize(groups[i] + 1, 0);
    sums[groups[i]] += values[i], counts[groups[i]] += 1;
  }
  const auto residual = [&](std::size_t i) { return values[i] - sums[groups[i]] / counts[groups[i]]; };
  Residuals found;
  for (std::size_t i = 0; i < values.size(); ++i) {
    found.squares += residual(i) * residual(i);
    if (i > 0) found.products += residual(i - 1) * residual(i);
  }
  return found;
}

struct Wandering::Moments {
  double squares = 0, products = 0;  // expected sums, of values of variance 1
  std::vector<double> between{};     // covariance of the means of two groups, by group and group
};

Wandering::Wandering(std::vector<std::size_t> groups) : groups_(std::move(groups)) {
  for (const std::size_t group : groups_) {
    if (group >= sizes_.size()) sizes_.resize(group + 1, 0);
    sizes_[group] += 1;
  }
}

Wandering::Moments Wandering::moments(double coefficient) const {
  const std::size_t n = groups_.size(), count = sizes_.size();
  std::vector<double> powers(n, 1);
  for (std::size_t i = 1; i < n; ++i) powers[i] = powers[i - 1] * coefficient;
  std::vector<double> with_mean(n * count, 0);  // covariance of each value with the mean of each group
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j)
      with_mean[i * count + groups_[j]] += powers[i < j ? j - i : i - j] / sizes_[groups_[j]];
  Moments result;
  result.between.assign(count * count, 0);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t group = 0; group < count; ++group)
      result.between[groups_[i] * count + group] += with_mean[i * count + group] / sizes_[groups_[i]];
  const auto covariance = [&](std::size_t i, std::size_t j) {
    return powers[i < j ? j - i : i - j] - with_mean[i * count + groups_[j]] - with_mean[j * count + groups_[i]] +
           result.between[groups_[i] * count + groups_[j]];
  };
  for (std::size_t i = 0; i < n; ++i) {
    result.squares += covariance(i, i);
    if (i > 0) result.products += covariance(i - 1, i);
  }
  return result;
}

double Wandering::expected(double coefficient) const {
  const Moments of = moments(coefficient);
  return of.squares > 0 ? of.products / of.squares : 0;
}

double Wandering::coefficient(double autocorrelation) const {
  double low = 0, high = kMostCoefficient;
  if (autocorrelation <= expected(low)) return low;
  if (autocorrelation >= expected(high)) return high;
  for (int i = 0; i < 20; ++i) {
    const double middle = (low + high) / 2;
    (expected(middle) < autocorrelation ? low : high) = middle;
  }
  return high;
}

double Wandering::inflation(double coefficient) const {
  GRIT_ASSERT(sizes_.size() == 2);
  const auto n = static_cast<double>(groups_.size());
  if (n < 3) return 1;
  const Moments of = moments(coefficient);
  const double difference = of.between[0] + of.between[3] - 2 * of.between[1];
  const double said = of.squares / (n - 2) * (1 / sizes_[0] + 1 / sizes_[1]);
  return said > 0 ? std::max(1.0, std::sqrt(difference / said)) : 1;
}

double Wandering::inflation_of(double autocorrelation, std::size_t series) const {
  const double error = 1 / std::sqrt(static_cast<double>(groups_.size() * std::max<std::size_t>(series, 1)));
  return inflation(coefficient(autocorrelation + kMargin * error));
}

}  // namespace grit
