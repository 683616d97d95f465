// What is in the data files that ranks read, encoded, and what comes out when a batch of it is decoded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace grit {

/// A batch is read in one piece, past the page cache or not: what O_DIRECT asks for at most (open(2)).
constexpr std::int64_t kInputAlignment_bytes = 4096;

/// Encodes and decodes, which is the same: in each pass over the batch every 64-bit word is combined (xor) with the
/// next of a stream of mixed numbers (splitmix64, Steele et al. 2014, doi:10.1145/2660193.2660195). Stands for what a
/// loader's worker does with what it has read, decompressing and tokenising: work in proportion to bytes and passes,
/// nothing of which can be left out without the result being wrong. `passes`: at least 1.
void recode(std::span<std::uint64_t> words, std::int64_t passes);

/// What the batches of a file decode to: known from the batch's number and the place in it, so that each word
/// can be checked. Batch k begins 61 · k words into a period of pseudo-random ones, a prime number of them, so that
/// batches whose numbers differ by less than that differ in every word.
class InputPattern {
 public:
  explicit InputPattern(int sample);

  static constexpr std::size_t kPeriod = 4093;

  void fill(std::span<std::uint64_t> words, std::uint64_t batch) const;
  /// How many of a decoded batch's words are not what they should be.
  [[nodiscard]] std::uint64_t count_wrong(std::span<const std::uint64_t> words, std::uint64_t batch) const;

 private:
  std::vector<std::uint64_t> period_;
};

}  // namespace grit
