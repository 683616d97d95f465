// Random choices that are the same on every machine. std::mt19937_64 is specified to the bit, the distributions of the
// standard library are not, so the step from its 64 bits to a number is ours.
#pragma once

#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "harness/base/result.hpp"

namespace grit {

class SeededChoice {
 public:
  explicit SeededChoice(std::uint64_t seed) : engine_(seed) {}

  /// Uniform in 0 .. n-1, without the bias of a bare modulo: numbers beyond the last whole multiple of n are drawn
  /// again.
  std::uint64_t below(std::uint64_t n) {
    GRIT_ASSERT(n > 0);
    const std::uint64_t rejected = (std::numeric_limits<std::uint64_t>::max() % n + 1) % n;
    std::uint64_t drawn = engine_();
    while (drawn > std::numeric_limits<std::uint64_t>::max() - rejected) drawn = engine_();
    return drawn % n;
  }

  /// k different numbers of 0 .. n-1, ascending (Fisher-Yates, stopped after k).
  std::vector<int> sample(int n, int k);

  /// 0 .. n-1 in a random order.
  std::vector<int> order(int n);

 private:
  std::mt19937_64 engine_;
};

}  // namespace grit
