// Whose value it was that a bit flipped in, by the wrong sum that came of it.
#pragma once

#include <cstdint>
#include <vector>

#include "harness/model/pattern_values.hpp"

namespace grit {

/// The ranks of a group (by their numbers in it) of which one flipped bit of what they contribute to an element gives a
/// sum of these bits, in some order of adding up: whoever it was is always among them. What each contributes is known
/// (SumValues); of an order nothing is, so where the type rounds on the way every sum within the bound of that is
/// possible: of n summands |error| ≤ γ(n-1) Σ|x|, γ(k) = k·u / (1 - k·u), u half a unit in the last place (Higham 2002,
/// "Accuracy and Stability of Numerical Algorithms", §4.2); none, where all partial sums fit into the type.
std::vector<int> could_have_flipped(const SumValues& values, std::uint64_t step, std::size_t element,
                                    std::uint32_t sum_bits);

}  // namespace grit
