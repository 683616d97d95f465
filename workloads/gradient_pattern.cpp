#include "workloads/gradient_pattern.hpp"

#include <algorithm>
#include <cstring>

#include "workloads/fabric/sum.hpp"

namespace grit {
namespace {

constexpr std::uint64_t kLargestModulus = 4096;

std::uint64_t largest_exact_integer(DataType type) {
  switch (type) {
    case DataType::fp32:
      return std::uint64_t{1} << 24;
    case DataType::bf16:
      return std::uint64_t{1} << 8;
    case DataType::fp16:
      return std::uint64_t{1} << 11;
  }
  return 1;
}

/// SplitMix64's finaliser (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators").
std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

/// 32 random bits to a number below `bound` (Lemire 2019, arXiv:1805.10941).
std::uint64_t below(std::uint64_t bits32, std::uint64_t bound) { return (bits32 * bound) >> 32; }

/// Calls visit(elements from the piece's start, place in the period, length) for the pieces of a range within one
/// period each.
template <class Visit>
void for_each_piece(std::size_t first, std::size_t count, Visit visit) {
  for (std::size_t done = 0; done < count;) {
    const std::size_t place = (first + done) % GradientPattern::kPeriod;
    const std::size_t length = std::min(count - done, GradientPattern::kPeriod - place);
    visit(done, place, length);
    done += length;
  }
}

}  // namespace

GradientPattern::GradientPattern(DataType type, int rank, int ranks)
    : type_(type),
      element_bytes_(bytes_per_element(type)),
      rank_(static_cast<std::uint64_t>(rank)),
      ranks_(static_cast<std::uint64_t>(ranks)),
      contributors_(std::min(ranks_, largest_exact_integer(type))),
      modulus_(std::min(largest_exact_integer(type) / contributors_ + 1, kLargestModulus)),
      sums_(modulus_),
      own_(kPeriod * element_bytes_),
      expected_(kPeriod * element_bytes_) {
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < contributors_; ++i) sum += i % modulus_;
  for (std::uint64_t a = 0; a < modulus_; ++a) {
    sums_[a] = static_cast<float>(sum);
    sum += (a + contributors_) % modulus_;
    sum -= a;
  }
}

void GradientPattern::begin_step(std::uint64_t step) {
  for (std::size_t place = 0; place < kPeriod; ++place) {
    const std::uint64_t random = mix(step * kPeriod + place);
    const std::uint64_t a = below(random >> 32, modulus_);
    const std::uint64_t i = (rank_ + below(random & 0xffff'ffffU, ranks_)) % ranks_;
    store_element(own_.data(), place, type_, i < contributors_ ? static_cast<float>((a + i) % modulus_) : 0.0F);
    store_element(expected_.data(), place, type_, sums_[a]);
  }
}

void GradientPattern::fill(std::byte* gradients, std::size_t first, std::size_t count) const {
  for_each_piece(first, count, [&](std::size_t done, std::size_t place, std::size_t length) {
    std::memcpy(gradients + done * element_bytes_, own_.data() + place * element_bytes_, length * element_bytes_);
  });
}

std::uint64_t GradientPattern::count_wrong(const std::byte* reduced, std::size_t first, std::size_t count) const {
  std::uint64_t wrong = 0;
  for_each_piece(first, count, [&](std::size_t done, std::size_t place, std::size_t length) {
    const std::byte* got = reduced + done * element_bytes_;
    const std::byte* want = expected_.data() + place * element_bytes_;
    if (std::memcmp(got, want, length * element_bytes_) == 0) return;
    for (std::size_t i = 0; i < length; ++i) {
      wrong += std::memcmp(got + i * element_bytes_, want + i * element_bytes_, element_bytes_) != 0 ? 1U : 0U;
    }
  });
  return wrong;
}

}  // namespace grit
