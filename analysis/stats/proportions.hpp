// What a count tells of a share or of a rate: exact intervals, and tests that need no large numbers.
//
// Exact intervals cover at least as often as they say, whatever the truth (tests/unit/analysis/test_proportions.cpp
// adds up every outcome); they pay with being somewhat wide.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "analysis/stats/sign_flip.hpp"

namespace grit {

/// P(X <= k) of a binomial distribution.
double binomial_cdf(int k, int n, double p);

/// The share at which P(X <= k) is this large; it falls with the share.
double share_at(int k, int n, double probability);

/// Of a share of which `count` of `of` are known, each end on the wrong side with probability alpha / 2 at most: C. J.
/// Clopper and E. S. Pearson, Biometrika 26 (1934). Of nothing it is 0 .. 1.
Interval clopper_pearson(int count, int of, double alpha = 0.05);

/// The same with one end only: the share is at least, or at most, so large with confidence 1 - alpha.
double share_at_least(int count, int of, double alpha = 0.05);
double share_at_most(int count, int of, double alpha = 0.05);

/// P(X <= k) of a Poisson distribution.
double poisson_cdf(std::int64_t k, double mean);

/// Of the mean number of events of which `count` came, each end on the wrong side with probability alpha / 2 at most:
/// F. Garwood, Biometrika 28 (1936). A rate's interval is this divided by the time in which they could come.
Interval garwood(std::int64_t count, double alpha = 0.05);

/// The same with one end only.
double mean_at_least(std::int64_t count, double alpha = 0.05);
double mean_at_most(std::int64_t count, double alpha = 0.05);

/// How likely `count` of `of` would be as many or more if they came no more often than `other` of `other_of` (R. A.
/// Fisher, The Design of Experiments, 1935: all that came are dealt out among both by chance). 1 of nothing.
double fisher_more(int count, int of, int other, int other_of);

/// p-values of several tests, each as large as it must be so that those up to alpha are wrong in no more than alpha of
/// such families: S. Holm, Scand. J. Statist. 6 (1979). In the order given.
std::vector<double> holm(std::span<const double> p);

/// P(X > x) of chi-square with a whole number of degrees of freedom, 1 or more: M. Abramowitz and I. Stegun, Handbook
/// of Mathematical Functions (1964), 26.4.4 and 26.4.5.
double chi_square_above(double x, int degrees_of_freedom);

/// Do events come in bursts? Counts of bins with `expected` each, which add up to as many.
struct Dispersion {
  double index = 1;  // variance to mean: 1 of events that come independently of each other
  double p = 1;      // of "no more than 1": chi-square with one less than there are bins (R. A. Fisher, 1925, §19)
};
Dispersion dispersion(std::span<const int> counts, std::span<const double> expected);

}  // namespace grit
