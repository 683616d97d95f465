// Data whose way through an operation is known without communication, so that every value that arrives can be checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "harness/model/pattern_values.hpp"
#include "workloads/compute/device.hpp"

namespace grit {

/// A received value that is not what it should be.
struct WrongElement {
  std::size_t element = 0;  // as the pattern counts them
  std::uint32_t expected_bits = 0, got_bits = 0;
};

/// What was wrong among received values.
struct WrongValuesFound {
  std::uint64_t count = 0;
  std::optional<WrongElement> first{};
};

/// Both patterns repeat every kPatternPeriod elements. Per step only one period is computed; filling copies it
/// and checking compares with it, on the device on which the values are. They differ from step to step, from group to
/// group (CommunicatorGroup::id), and by element, counted from wherever the workload likes: parts that could be taken
/// for each other within a step begin at different elements.

/// For sums, all_reduce and reduce_scatter: the sum over all ranks of the group is known (SumValues). A flipped bit
/// that the type's rounding absorbs on the way cannot be seen.
class SumPattern {
 public:
  /// `type`: not bytes.
  SumPattern(DataType type, std::uint16_t group, int rank, int ranks);

  /// Computes this step's period of values and of their sums.
  void begin_step(std::uint64_t step);

  /// Writes this rank's values of elements [first, first + count) to `values`, which points at element `first`.
  void fill(Device& device, std::byte* values, std::size_t first, std::size_t count) const;
  /// Which of the sums of elements [first, first + count) are not what they should be, bit for bit?
  [[nodiscard]] WrongValuesFound check(Device& device, const std::byte* sums, std::size_t first,
                                       std::size_t count) const;

  /// The same of values in the host's memory.
  void fill(std::byte* values, std::size_t first, std::size_t count) const;
  [[nodiscard]] std::uint64_t count_wrong(const std::byte* sums, std::size_t first, std::size_t count) const;
  [[nodiscard]] std::optional<WrongElement> first_wrong(const std::byte* sums, std::size_t first,
                                                        std::size_t count) const;

  [[nodiscard]] DataType type() const { return values_.type(); }
  [[nodiscard]] std::uint16_t group() const { return values_.group(); }
  [[nodiscard]] std::uint64_t step() const { return step_; }

 private:
  SumValues values_;
  std::uint64_t rank_;
  std::uint64_t step_ = 0;
  Period own_;
  Period expected_;
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
  void fill(Device& device, std::byte* values, int source, int destination, std::size_t first, std::size_t count) const;
  /// Which of elements [first, first + count) are not what `source` sends to `destination`, bit for bit?
  [[nodiscard]] WrongValuesFound check(Device& device, const std::byte* values, int source, int destination,
                                       std::size_t first, std::size_t count) const;

  /// The same of values in the host's memory.
  void fill(std::byte* values, int source, int destination, std::size_t first, std::size_t count) const;
  [[nodiscard]] std::uint64_t count_wrong(const std::byte* values, int source, int destination, std::size_t first,
                                          std::size_t count) const;
  [[nodiscard]] std::optional<WrongElement> first_wrong(const std::byte* values, int source, int destination,
                                                        std::size_t first, std::size_t count) const;

  [[nodiscard]] DataType type() const { return type_; }
  [[nodiscard]] std::uint16_t group() const { return group_; }
  [[nodiscard]] std::uint64_t step() const { return step_; }

 private:
  [[nodiscard]] std::size_t place_of(int source, int destination, std::size_t first) const;

  DataType type_;
  std::uint16_t group_;
  std::uint64_t ranks_;
  std::uint64_t step_ = 0;
  Period period_;
};

}  // namespace grit
