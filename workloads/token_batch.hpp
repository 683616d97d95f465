// The training data: token ids.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace grit {

/// Sequences of uniformly distributed token ids, as a tokenised corpus would deliver them; different on every rank, the
/// same in every run.
class TokenBatch {
 public:
  /// One token more than the sequence: the last one is only predicted.
  TokenBatch(int vocabulary, int sequence, int rank)
      : generator_(static_cast<std::uint32_t>(rank)),
        vocabulary_(static_cast<std::uint64_t>(vocabulary)),
        tokens_(static_cast<std::size_t>(sequence) + 1) {}

  /// Draws the next sequence.
  void draw() {
    // Multiply-shift instead of a modulo: Lemire 2019, arXiv:1805.10941.
    for (std::uint32_t& token : tokens_) token = static_cast<std::uint32_t>((generator_() * vocabulary_) >> 32);
  }

  /// As if so many sequences had been drawn; takes a nanosecond or so a token.
  void skip(std::uint64_t sequences) { generator_.discard(sequences * tokens_.size()); }

  [[nodiscard]] std::span<const std::uint32_t> tokens() const { return tokens_; }

 private:
  std::mt19937 generator_;
  std::uint64_t vocabulary_;
  std::vector<std::uint32_t> tokens_;
};

}  // namespace grit
