// Values that follow each other in time are seldom independent: what that does to the difference of two groups of them.
//
// A permutation test takes values to be exchangeable. A series that wanders (each value near the one before) is not:
// the means of two stretches that follow each other then differ by more than the spread within the stretches says. By
// how much is known for a first-order autoregression, whatever the order in which the values of the two groups came:
// not at all when they came by turns, and most when one group came after the other. Its coefficient is estimated from
// the values about their groups' means. Few values make that estimate too small, by an amount that follows from their
// number and order, and it is corrected for (M. G. Kendall, Note on bias in the estimation of autocorrelation,
// Biometrika 41, 1954; here exactly, not to the first order).
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace grit {

/// Of values in order of time, each of which belongs to a group (0, 1 ...), about its group's mean.
struct Residuals {
  double squares = 0;   // their sum
  double products = 0;  // of neighbours, their sum

  Residuals& operator+=(const Residuals& other);
  /// 0 when there is no spread.
  [[nodiscard]] double autocorrelation() const { return squares > 0 ? products / squares : 0; }
};
Residuals residuals(std::span<const double> values, std::span<const std::size_t> groups);

/// What autocorrelation does to values whose groups, in order of time, are these. Time grows with the square of their
/// number.
class Wandering {
 public:
  explicit Wandering(std::vector<std::size_t> groups);

  /// Residuals::autocorrelation() to be expected of a first-order autoregression with this coefficient: the ratio of
  /// the expectations.
  [[nodiscard]] double expected(double coefficient) const;
  /// The coefficient of which so much is to be expected: between 0 and kMostCoefficient.
  [[nodiscard]] double coefficient(double autocorrelation) const;
  /// Of two groups: how many times larger the standard error of the difference of their means is than the spread within
  /// them says. At least 1.
  [[nodiscard]] double inflation(double coefficient) const;
  /// Of two groups, by Residuals::autocorrelation() of so many independent series together. Few values say little of a
  /// coefficient, so kMargin standard errors are added to it: as many as it takes for a test at 0.05 to keep its level
  /// at a coefficient of 0.5, with 3 + 3 to 6 + 6 values (simulated, bench_calibration).
  [[nodiscard]] double inflation_of(double autocorrelation, std::size_t series) const;

  static constexpr double kMargin = 0.75;

  /// Nearly a random walk. More is hardly any worse: the spread within the groups grows as well.
  static constexpr double kMostCoefficient = 0.98;

 private:
  struct Moments;
  [[nodiscard]] Moments moments(double coefficient) const;

  std::vector<std::size_t> groups_;
  std::vector<double> sizes_{};  // of each group
};

}  // namespace grit
