#include "analysis/stats/sign_flip.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>

#include "analysis/stats/median.hpp"
#include "harness/base/result.hpp"

namespace grit {
namespace {

constexpr std::size_t kDrawnPatterns = std::size_t{1} << 17;
constexpr std::uint64_t kDrawSeed = 0x67726974;  // fixed: the same differences always give the same p
constexpr double kRounding = 1e-12;              // sums closer than this share of the data's magnitude are ties
constexpr int kBisections = 36;                  // the bound is known to 2^-36 of the differences' range

/// All sums of s_i e_i, ascending; each further value merges two sorted lists, so the work is linear in the list's
/// length.
std::vector<double> sorted_sums(std::span<const double> values) {
  std::vector<double> sums{0};
  std::vector<double> merged;
  for (const double value : values) {
    const double step = std::abs(value);
    merged.clear();
    merged.reserve(2 * sums.size());
    std::size_t raised = 0;  // sums[raised] + step is the next of the upper list; it trails the lower one
    for (const double sum : sums) {
      while (sums[raised] + step < sum - step) merged.push_back(sums[raised++] + step);
      merged.push_back(sum - step);
    }
    for (; raised < sums.size(); ++raised) merged.push_back(sums[raised] + step);
    sums.swap(merged);
  }
  return sums;
}

/// How many pairs (one of a, one of b, both ascending) have a sum of at least `bound`.
double count_at_least(const std::vector<double>& a, const std::vector<double>& b, double bound) {
  double count = 0;
  std::size_t first = b.size();  // b[first..] reaches the bound together with the present value of a
  for (const double value : a) {
    while (first > 0 && value + b[first - 1] >= bound) --first;
    count += static_cast<double>(b.size() - first);
  }
  return count;
}

}  // namespace

double hodges_lehmann(std::span<const double> differences) {
  GRIT_ASSERT(!differences.empty());
  std::vector<double> walsh;
  walsh.reserve(differences.size() * (differences.size() + 1) / 2);
  for (std::size_t i = 0; i < differences.size(); ++i)
    for (std::size_t j = i; j < differences.size(); ++j) walsh.push_back((differences[i] + differences[j]) / 2);
  return median(std::move(walsh));
}

SignFlipTest::SignFlipTest(std::span<const double> differences) : differences_(differences.begin(), differences.end()) {
  GRIT_ASSERT(!differences_.empty());
  for (const double d : differences_) magnitude_ += std::abs(d);
  if (differences_.size() <= kExactLimit) return;
  std::mt19937_64 random(kDrawSeed);
  drawn_.reserve(kDrawnPatterns);
  for (std::size_t pattern = 0; pattern < kDrawnPatterns; ++pattern) {
    DrawnPattern drawn{0, 0};
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < differences_.size(); ++i, bits >>= 1U) {
      if (i % 64 == 0) bits = random();
      const double sign = (bits & 1U) != 0 ? 1 : -1;
      drawn.signed_sum += sign * differences_[i];
      drawn.sign_sum += sign;
    }
    drawn_.push_back(drawn);
  }
}

double SignFlipTest::exact_p(double theta, Side side) const {
  std::vector<double> shifted(differences_.size());
  std::transform(differences_.begin(), differences_.end(), shifted.begin(), [&](double d) { return d - theta; });
  const double sum = std::accumulate(shifted.begin(), shifted.end(), 0.0);
  const double observed = side == Side::above ? sum : -sum;
  const std::span<const double> all(shifted);
  const std::size_t half = all.size() / 2;
  const double rounding = kRounding * (magnitude_ + static_cast<double>(all.size()) * std::abs(theta));
  const double count =
      count_at_least(sorted_sums(all.first(half)), sorted_sums(all.subspan(half)), observed - rounding);
  return std::ldexp(count, -static_cast<int>(all.size()));
}

double SignFlipTest::drawn_p(double theta, Side side) const {
  const double n = static_cast<double>(differences_.size());
  const double direction = side == Side::above ? 1 : -1;
  const double sum = std::accumulate(differences_.begin(), differences_.end(), 0.0);
  const double observed = direction * (sum - theta * n) - kRounding * (magnitude_ + n * std::abs(theta));
  const auto extreme = std::count_if(drawn_.begin(), drawn_.end(), [&](const DrawnPattern& drawn) {
    return direction * (drawn.signed_sum - theta * drawn.sign_sum) >= observed;
  });
  return (1 + static_cast<double>(extreme)) / (1 + static_cast<double>(drawn_.size()));
}

double SignFlipTest::one_sided_p(double theta, Side side) const {
  return drawn_.empty() ? exact_p(theta, side) : drawn_p(theta, side);
}

double SignFlipTest::smallest_one_sided_p() const {
  if (!drawn_.empty()) return 1 / (1 + static_cast<double>(drawn_.size()));
  return std::ldexp(1.0, -static_cast<int>(differences_.size()));
}

double SignFlipTest::p_value(double theta) const {
  // The distribution of the sum is symmetric, so the two-sided share is twice the smaller one-sided one.
  return std::min(1.0, 2 * std::min(one_sided_p(theta, Side::above), one_sided_p(theta, Side::below)));
}

/// Where one-sided p crosses alpha. It is monotone in theta: with the signs of a subset flipped, the sum reaches the
/// observed one just when the subset's mean is not above theta, so p only counts the subset means on one side of theta.
double SignFlipTest::boundary(Side side, double alpha) const {
  const auto [lowest, highest] = std::minmax_element(differences_.begin(), differences_.end());
  double rejected = side == Side::above ? *lowest : *highest;
  double kept = side == Side::above ? *highest : *lowest;
  if (one_sided_p(rejected, side) > alpha) return rejected;  // the outermost subset mean is itself the bound
  for (int i = 0; i < kBisections && rejected != kept; ++i) {
    const double middle = (rejected + kept) / 2;
    if (middle == rejected || middle == kept) break;
    (one_sided_p(middle, side) > alpha ? kept : rejected) = middle;
  }
  return rejected;
}

std::vector<double> p_among_all(const std::vector<std::vector<double>>& rows) {
  constexpr std::size_t kMostExact = 12;
  std::vector<std::vector<double>> scaled;  // rows with any difference, so that the sum is the statistic
  std::vector<double> observed;             // of every row
  for (const std::vector<double>& row : rows) {
    const double size = std::sqrt(std::inner_product(row.begin(), row.end(), row.begin(), 0.0));
    observed.push_back(size > 0 ? std::accumulate(row.begin(), row.end(), 0.0) / size : 0);
    if (size == 0) continue;
    scaled.push_back(row);
    for (double& difference : scaled.back()) difference /= size;
  }
  const std::size_t pairs = rows.empty() ? 0 : rows.front().size();
  std::vector<double> largest;
  std::mt19937_64 random(kDrawSeed);
  std::vector<double> signs(pairs);
  for (std::size_t pattern = 0; pattern < std::size_t{1} << std::min(pairs, kMostExact); ++pattern) {
    const bool drawn = pairs > kMostExact && pattern > 0;  // the first pattern is the observed one
    for (std::size_t i = 0; i < pairs; ++i)
      signs[i] = (drawn ? random() >> 63U : i < kMostExact ? pattern >> i & 1U : 0U) != 0 ? -1 : 1;
    double most = 0;
    for (const std::vector<double>& row : scaled)
      most = std::max(most, std::inner_product(row.begin(), row.end(), signs.begin(), 0.0));
    largest.push_back(most);
  }
  std::sort(largest.begin(), largest.end());
  std::vector<double> p;
  for (const double value : observed) {
    const auto as_large = std::lower_bound(largest.begin(), largest.end(), value - 1e-9);
    p.push_back(static_cast<double>(largest.end() - as_large) / static_cast<double>(largest.size()));
  }
  return p;
}

std::optional<Interval> SignFlipTest::confidence_interval(double alpha) const {
  if (smallest_one_sided_p() > alpha / 2) return std::nullopt;
  return Interval{boundary(Side::above, alpha / 2), boundary(Side::below, alpha / 2)};
}

}  // namespace grit
