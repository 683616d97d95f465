#include "harness/model/pattern_values.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "harness/base/mix.hpp"
#include "harness/model/element.hpp"

namespace grit {
namespace {

constexpr std::uint64_t kLargestModulus = 4096;
constexpr std::uint64_t kPermutationSeed = 0x6a09e667f3bcc908;  // any; the same everywhere

/// Of 0..size-1 (Fisher and Yates, Durstenfeld 1964).
std::vector<float> permutation_of(std::uint64_t size) {
  std::vector<float> all(size);
  std::iota(all.begin(), all.end(), 0.0F);
  for (std::uint64_t i = size; i-- > 1;) std::swap(all[i], all[below(mix(kPermutationSeed + i) >> 32, i + 1)]);
  return all;
}

}  // namespace

std::uint64_t largest_exact_integer(DataType type) {
  return type == DataType::bytes ? 255 : std::uint64_t{1} << significand_bits(type);
}

std::uint64_t pattern_random(std::uint16_t group, std::uint64_t step, std::size_t element) {
  return mix((std::uint64_t{group} << 48) ^ (step * kPatternPeriod + element % kPatternPeriod));
}

SumValues::SumValues(DataType type, std::uint16_t group, int ranks)
    : type_(type),
      group_(group),
      ranks_(static_cast<std::uint64_t>(ranks)),
      contributors_(std::min(ranks_, largest_exact_integer(type))),
      modulus_(std::min(largest_exact_integer(type) / contributors_ + 1, kLargestModulus)),
      permutation_(permutation_of(modulus_)),
      sums_(modulus_) {
  float sum = 0;
  for (std::uint64_t i = 0; i < contributors_; ++i) sum += permutation_[i % modulus_];
  for (std::uint64_t a = 0; a < modulus_; ++a) {
    sums_[a] = sum;
    sum += permutation_[(a + contributors_) % modulus_] - permutation_[a];
  }
}

SumValues::Draw SumValues::draw(std::uint64_t step, std::size_t element) const {
  const std::uint64_t random = pattern_random(group_, step, element);
  return {below(random >> 32, modulus_), below(random & 0xffff'ffffU, ranks_)};
}

float SumValues::value(const Draw& draw, std::uint64_t rank) const {
  const std::uint64_t i = (rank + draw.b) % ranks_;
  return i < contributors_ ? permutation_[(draw.a + i) % modulus_] : 0.0F;
}

}  // namespace grit
