// Gradients whose sum over all ranks is known without communication, so that every reduced value can be checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "workloads/fabric/fabric.hpp"

namespace grit {

/// In step s, element e of rank r of n holds a small integer. With pseudo-random a = a(e, s) below m and b = b(e, s)
/// below n, and i = (r + b) mod n,
///
///     g(e, s, r) = (a + i) mod m   if i < c,   else 0;       the sum over all r is   Σ_{i<c} (a + i) mod m,
///
/// because i runs through 0..n-1 as r does. c and m are chosen so that the sum, and with it every partial sum in any
/// order, is an integer that the type holds exactly: up to 2^8 in bf16, 2^11 in fp16, 2^24 in fp32 (significand bits,
/// IEEE 754). With more ranks than that, c < n of them contribute at an element, others at the next.
///
/// The pattern repeats every 4093 elements, a prime, so that data delivered to the wrong place differs as well. Per
/// step only one period is computed; filling is memcpy and checking is memcmp. A flipped bit that the type's rounding
/// absorbs on the way cannot be seen.
class GradientPattern {
 public:
  static constexpr std::size_t kPeriod = 4093;

  GradientPattern(DataType type, int rank, int ranks);

  /// Computes this step's period of values and of their sums.
  void begin_step(std::uint64_t step);

  /// Writes this rank's values of elements [first, first + count) to `gradients`, which points at element `first`.
  void fill(std::byte* gradients, std::size_t first, std::size_t count) const;

  /// How many of the reduced values of elements [first, first + count) are not what they should be, bit for bit.
  [[nodiscard]] std::uint64_t count_wrong(const std::byte* reduced, std::size_t first, std::size_t count) const;

 private:
  DataType type_;
  std::size_t element_bytes_;
  std::uint64_t rank_;
  std::uint64_t ranks_;
  std::uint64_t contributors_;  // c
  std::uint64_t modulus_;       // m
  std::vector<float> sums_;     // by a
  std::vector<std::byte> own_;
  std::vector<std::byte> expected_;
};

}  // namespace grit
