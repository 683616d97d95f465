// What is known of a median from some values of an unknown distribution: the sign test and its interval.
//
// Each value lies above the true median with probability one half at most, whatever its distribution, so the number
// that do is a binomial one. J. D. Gibbons and S. Chakraborti, Nonparametric Statistical Inference, 5th ed. (2011),
// §5.2 and §5.4. All that is assumed is that the values are independent.
#pragma once

#include <optional>
#include <vector>

#include "analysis/stats/sign_flip.hpp"

namespace grit {

/// The probability of at most `heads` among `coins`, 0 <= heads <= coins.
double at_most_heads(int heads, int coins);

/// From the k-th smallest to the k-th largest value, for the largest k for which each end is on the wrong side of the
/// true median with probability `alpha_each` at most: 2 and 7 of 8 at 5 %. Values may be infinite. Empty: too few (of 4
/// even the outermost ends are wrong in 6 %).
std::optional<Interval> median_interval(std::vector<double> values, double alpha_each);

}  // namespace grit
