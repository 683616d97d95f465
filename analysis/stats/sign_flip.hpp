// The exact sign-flip (randomization) test of paired differences, its confidence interval, and the Hodges-Lehmann
// estimate.
//
// In each pair a coin decided which block came first, so, if the fault changed nothing, the difference of a pair could
// as well have had the opposite sign, whatever drift and autocorrelation did to its size. That is all that this test
// assumes.
//
// Sources: R. A. Fisher, The Design of Experiments (1935), §21. J. L. Hodges and E. L. Lehmann, Estimates of location
// based on rank tests, Ann. Math. Statist. 34 (1963). J. A. Hartigan, Using subsample values as typical values, JASA 64
// (1969): the interval. E. L. Lehmann and J. P. Romano, Testing Statistical Hypotheses, 3rd ed. (2005), §5.8-5.12 and
// §15.2.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace grit {

/// The median of the n(n+1)/2 averages (d_i + d_j)/2, i <= j (Walsh averages). Needs at least one value.
double hodges_lehmann(std::span<const double> differences);

struct Interval {
  double low = 0;
  double high = 0;
};

/// H(theta): the differences are symmetric about theta. The statistic is the sum of d - theta; its distribution is that
/// over all sign patterns.
class SignFlipTest {
 public:
  /// Up to this many differences all 2^n patterns are counted, by two sorted halves (Horowitz and Sahni 1974). Above,
  /// 2^17 patterns are drawn with a fixed seed and the observed one is counted among them, which keeps the test valid
  /// (Phipson and Smyth 2010).
  static constexpr std::size_t kExactLimit = 32;

  /// Needs at least one difference.
  explicit SignFlipTest(std::span<const double> differences);

  /// Two-sided p of H(theta): the share of sign patterns whose sum is at least as far from zero as the observed one.
  [[nodiscard]] double p_value(double theta = 0) const;

  /// All theta with p_value(theta) > alpha; covers the true one with probability 1 - alpha or more. Empty when there
  /// are too few differences to reject anything at this level (2/2^n > alpha).
  [[nodiscard]] std::optional<Interval> confidence_interval(double alpha) const;

 private:
  enum class Side { above, below };  // above: the truth is above theta, so large sums speak against H(theta)
  struct DrawnPattern {
    double signed_sum;  // sum of s_i d_i
    double sign_sum;    // sum of s_i
  };
  [[nodiscard]] double one_sided_p(double theta, Side side) const;
  [[nodiscard]] double exact_p(double theta, Side side) const;
  [[nodiscard]] double drawn_p(double theta, Side side) const;
  [[nodiscard]] double smallest_one_sided_p() const;
  [[nodiscard]] double boundary(Side side, double alpha) const;

  std::vector<double> differences_;
  std::vector<DrawnPattern> drawn_;
  double magnitude_ = 0;  // sum of |d|, the scale of rounding errors
};

/// Several rows of differences over the same pairs, whose signs one coin a pair decided for all of them. For each row
/// the one-sided p of "it is not above zero", such that without any cause some p lies at or below alpha with
/// probability alpha at most, however many rows there are and however they hang together: the largest sum / sqrt(sum of
/// squares) of all rows is held against its distribution over sign patterns (P. H. Westfall and S. S. Young,
/// Resampling-based multiple testing, 1993: single-step max T). All 2^n patterns up to 12 pairs; above, 2^12 with a
/// fixed seed, the observed one counted among them.
std::vector<double> p_among_all(const std::vector<std::vector<double>>& rows);

}  // namespace grit
