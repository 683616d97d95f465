// One matrix product whose result is known beforehand: the unit of work of the CPU compute.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "harness/base/result.hpp"

namespace grit {

/// C = alpha·A·B in single precision by OpenBLAS, with A and B small integers, checked by Freivalds' method (R.
/// Freivalds, "Probabilistic machines can use less running time", IFIP 1977): C·x against alpha·A·(B·x), O(n²) beside
/// the product's O(n³). A·(B·x) is computed once, in integers, and n is small enough for every float on the way to be
/// an exact integer in any order of summation, so the comparison is for equality. No element of x is 0: any single
/// wrong element shows.
class GemmTile {
 public:
  static constexpr int kSize = 256;
  static constexpr double kFlops = 2.0 * kSize * kSize * kSize;

  /// Makes the operands from a fixed seed and sets OpenBLAS to one thread (for the whole process).
  GemmTile();

  /// One product. alpha alternates between 1 and 2, so that a product that was not written is seen.
  void multiply();

  /// Error (internal): a row of the product is wrong; says which, what it should be and what it is.
  [[nodiscard]] Status check();

  [[nodiscard]] std::span<float> product() { return c_; }

 private:
  std::vector<float> a_, b_, c_, x_, cx_;
  std::vector<std::int64_t> abx_;
  std::int64_t alpha_ = 2;
};

}  // namespace grit
