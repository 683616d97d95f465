// The numbers that ranks exchange in place of real data: known to everybody without communication. The workloads fill
// and check buffers with them (workloads/data_pattern.hpp); the analysis works out from them who sent a wrong one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "harness/model/data_type.hpp"

namespace grit {

/// The patterns repeat every so many elements, a prime, so that data delivered to the wrong place differs as well.
constexpr std::size_t kPatternPeriod = 4093;

/// 64 pseudo-random bits for an element of a step in a group (CommunicatorGroup::id).
std::uint64_t pattern_random(std::uint16_t group, std::uint64_t step, std::size_t element);
/// 32 random bits to a number below `bound` (Lemire 2019, arXiv:1805.10941).
constexpr std::uint64_t below(std::uint64_t bits32, std::uint64_t bound) { return (bits32 * bound) >> 32; }

/// For sums: what each rank of a group contributes to an element, and their sum.
///
/// In step s, element e of rank r of n holds a small integer. With pseudo-random a = a(e, s) below m and b = b(e, s)
/// below n, i = (r + b) mod n, and a fixed random permutation p of 0..m-1,
///
///     g(e, s, r) = p[(a + i) mod m]   if i < c,   else 0;       the sum over all r is   Σ_{i<c} p[(a + i) mod m],
///
/// because i runs through 0..n-1 as r does. c and m are chosen so that the sum, and with it every partial sum in any
/// order, is an integer that the type holds exactly: up to 2^8 in bf16, 2^11 in fp16, 2^24 in fp32 (significand bits,
/// IEEE 754). With more ranks than that, c < n of them contribute at an element, others at the next. Which bits two
/// ranks' values have in common is as if they were drawn, and another draw at the next element: a few sums with a
/// flipped bit tell whose value it was.
class SumValues {
 public:
  /// `type`: not bytes.
  SumValues(DataType type, std::uint16_t group, int ranks);

  /// What is drawn for an element.
  struct Draw {
    std::uint64_t a = 0, b = 0;
  };
  [[nodiscard]] Draw draw(std::uint64_t step, std::size_t element) const;
  [[nodiscard]] float value(const Draw& draw, std::uint64_t rank) const;
  [[nodiscard]] float sum(const Draw& draw) const { return sums_[draw.a]; }

  [[nodiscard]] DataType type() const { return type_; }
  [[nodiscard]] std::uint16_t group() const { return group_; }
  [[nodiscard]] std::uint64_t ranks() const { return ranks_; }

 private:
  DataType type_;
  std::uint16_t group_;
  std::uint64_t ranks_;
  std::uint64_t contributors_;      // c
  std::uint64_t modulus_;           // m
  std::vector<float> permutation_;  // p
  std::vector<float> sums_;         // by a
};

/// The largest n for which the type holds every integer from 0 to n.
std::uint64_t largest_exact_integer(DataType type);

}  // namespace grit
