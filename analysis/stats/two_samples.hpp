// Is one small sample larger than another? Two tests with their intervals, for the runs of two days.
//
// The exact permutation test: if nothing changed, any division of the n + m runs into n old and m new ones was as
// likely as the real one. Nothing else is assumed, but with few runs it cannot give a small p: 2/C(n+m, n), which is
// 0.10 for 3 + 3 and 0.029 for 4 + 4. Its interval is that of all shifts it does not reject. Moving the new sample by
// theta and exchanging a subset S of the old with as large a subset T of the new raises the difference of the means
// exactly when mean(T) - mean(S) < theta: so the interval's ends are order statistics of the C(n+m, n) - 1 differences
// of subset means. Sources: E. J. G. Pitman, Significance tests which may be applied to samples from any populations,
// Suppl. J. R. Statist. Soc. 4 (1937): test and interval. J. A. Hartigan, JASA 64 (1969): subset means as typical
// values.
//
// Student's t assumes normal values but gives an interval from two runs on. Both sides with two or more: B. L. Welch,
// Biometrika 34 (1947), with the degrees of freedom of F. E. Satterthwaite, Biometrics Bull. 2 (1946). One side with a
// single run: it is held against the other's spread, as if its own were the same (J. R. Crawford and D. C. Howell,
// Comparing an individual's test score against norms derived from small samples, Clin. Neuropsychologist 12, 1998).
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "analysis/stats/sign_flip.hpp"

namespace grit {

/// In how many ways n + m runs can be divided; a double, since it may be huge.
double divisions(std::size_t n, std::size_t m);

/// The smallest two-sided p that the permutation test can give: 2/C(n+m, n).
double smallest_permutation_p(std::size_t n, std::size_t m);

/// Visits divisions of n + m runs other than the real one, each by the ascending or drawn places of the n that count as
/// old: all of them when there are at most `most`, the real one included; above, most - 1 drawn with a fixed seed. A p
/// counts the real one beside them (Phipson and Smyth 2010).
void each_other_division(std::size_t n, std::size_t m, std::size_t most,
                         const std::function<void(const std::vector<std::size_t>&)>& visit);

class PermutationTest {
 public:
  /// Up to this many divisions all are looked at; above, so many are drawn (each_other_division).
  static constexpr std::size_t kExactLimit = std::size_t{1} << 17;

  /// Needs at least one value a side.
  PermutationTest(std::span<const double> before, std::span<const double> after);

  /// mean(after) - mean(before).
  [[nodiscard]] double estimate() const { return estimate_; }
  /// Two-sided p of "the shift is theta": twice the smaller one-sided p, at most 1.
  [[nodiscard]] double p_value(double theta = 0) const;
  /// All theta with p_value(theta) > alpha. Empty when no p can be as small as alpha.
  [[nodiscard]] std::optional<Interval> confidence_interval(double alpha) const;

 private:
  double estimate_ = 0;
  std::vector<double> breakpoints_{};  // ascending: mean(T) - mean(S) of every division but the real one
};

struct TTest {
  double estimate = 0;  // mean(after) - mean(before)
  double standard_error = 0;
  double degrees_of_freedom = 0;
  double p = 1;  // two-sided
  Interval interval{};
};

/// Empty when there is no spread to be had: less than two values on both sides.
std::optional<TTest> t_test(std::span<const double> before, std::span<const double> after, double alpha);

/// P(|T| > t) of Student's t with any real number of degrees of freedom from 1 on: the integral of cos^(nu-1) up to
/// atan(t/sqrt(nu)), M. Abramowitz and I. Stegun, Handbook of Mathematical Functions (1964), 26.7.1 with t = sqrt(nu)
/// tan(theta).
double student_t_two_sided_p(double t, double degrees_of_freedom);

/// The t with student_t_two_sided_p(t) = alpha.
double student_t_critical(double alpha, double degrees_of_freedom);

}  // namespace grit
