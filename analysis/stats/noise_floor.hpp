// Of many that are alike, which stands out: against the middle of the others, and by more than chance.
#pragma once

#include <cstddef>
#include <vector>

namespace grit {

/// Each value less the median of all others, where each of these counts by its weight (positive); 0 of one value. With
/// equal weights, halfway between the two in the middle of an even number.
std::vector<double> less_others(const std::vector<double>& values, const std::vector<double>& weights);

/// Differences of pairs, none of which is larger than twice the middle one of their sizes: a sign-flip test of them is
/// as exact, since their signs are as they were, and one stall of seconds in a pair does not hide what all others show.
std::vector<double> limited(std::vector<double> differences);

/// By how much the median of these values may be off: twice its error, from how far they lie apart.
double median_error(const std::vector<double>& values);

/// What the excess of each rank, a median over `pairs` pairs, may be by chance. `noise_ns`: by rank, the same
/// difference between one baseline block and the next, at least one each. The error of a median of n is 1.253 s /
/// sqrt(n), with s from the median absolute value (P. J. Huber, Robust Statistics, 1981), which of few values is often
/// far too small: a rank's s is therefore at least that of the middle rank, and the multiple of the error grows with
/// the number of ranks of which one is to stand out, as the largest of so many does.
std::vector<double> noise_floors_ns(const std::vector<std::vector<double>>& noise_ns, std::size_t pairs);

}  // namespace grit
