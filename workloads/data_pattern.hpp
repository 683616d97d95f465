// Data whose way through an operation is known without communication, so that every value that arrives can be checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "harness/model/data_type.hpp"

namespace grit {

/// Both patterns repeat every so many elements, a prime, so that data delivered to the wrong place differs as well. Per
/// step only one period is computed; filling is memcpy and checking is memcmp. They differ from step to step, from
/// group to group (CommunicatorGroup::id), and by element, counted from wherever the workload likes: parts that could
/// be taken for each other within a step begin at different elements.
constexpr std::size_t kPatternPeriod = 4093;

/// For sums, all_reduce and reduce_scatter: the sum over all ranks of the group is known.
///
/// In step s, element e of rank r of n holds a small integer. With pseudo-random a = a(e, s) below m and b = b(e, s)
/// below n, and i = (r + b) mod n,
///
///     g(e, s, r) = (a + i) mod m   if i < c,   else 0;       the sum over all r is   Σ_{i<c} (a + i) mod m,
///
/// because i runs through 0..n-1 as r does. c and m are chosen so that the sum, and with it every partial sum in any
/// order, is an integer that the type holds exactly: up to 2^8 in bf16, 2^11 in fp16, 2^24 in fp32 (significand bits,
/// IEEE 754). With more ranks than that, c < n of them contribute at an element, others at the next. A flipped bit that
/// the type's rounding absorbs on the way cannot be seen.
class SumPattern {
 public:
  /// `type`: not bytes.
  SumPattern(DataType type, std::uint16_t group, int rank, int ranks);

  /// Computes this step's period of values and of their sums.
  void begin_step(std::uint64_t step);

  /// Writes this rank's values of elements [first, first + count) to `values`, which points at element `first`.
  void fill(std::byte* values, std::size_t first, std::size_t count) const;

  /// How many of the sums of elements [first, first + count) are not what they should be, bit for bit.
  [[nodiscard]] std::uint64_t count_wrong(const std::byte* sums, std::size_t first, std::size_t count) const;

 private:
  DataType type_;
  std::size_t element_bytes_;
  std::uint64_t group_;
  std::uint64_t rank_;
  std::uint64_t ranks_;
  std::uint64_t contributors_;  // c
  std::uint64_t modulus_;       // m
  std::vector<float> sums_;     // by a
  std::vector<std::byte> own_;
  std::vector<std::byte> expected_;
};

/// For what arrives as it was sent: all_gather, all_to_all, send and receive.
///
/// Element e from rank s to rank d of n holds the pseudo-random integer number (e + k · (s · n + d)) mod 4093 of the
/// step's period, exact in the type; k spreads the pairs over the period. Below 4093 ranks two sources of one rank, and
/// two destinations of one, always begin at different places. An all_gather has no destination: take 0.
class CopyPattern {
 public:
  CopyPattern(DataType type, std::uint16_t group, int ranks);

  /// Computes this step's period of values.
  void begin_step(std::uint64_t step);

  /// Writes what rank `source` sends to rank `destination` as elements [first, first + count) to `values`, which points
  /// at element `first`.
  void fill(std::byte* values, int source, int destination, std::size_t first, std::size_t count) const;

  /// How many of elements [first, first + count) are not what `source` sends to `destination`, bit for bit.
  [[nodiscard]] std::uint64_t count_wrong(const std::byte* values, int source, int destination, std::size_t first,
                                          std::size_t count) const;

 private:
  [[nodiscard]] std::size_t place_of(int source, int destination, std::size_t first) const;

  DataType type_;
  std::size_t element_bytes_;
  std::uint64_t group_;
  std::uint64_t ranks_;
  std::vector<std::byte> period_;
};

}  // namespace grit
