#include "workloads/data_pattern.hpp"

#include <algorithm>
#include <cstring>

#include "workloads/fabric/sum.hpp"

namespace grit {
namespace {

constexpr std::uint64_t kLargestModulus = 4096;
constexpr std::uint64_t kPairDistance = 2531;  // 4093 / golden ratio, nearly: neighbouring pairs lie far apart

std::uint64_t largest_exact_integer(DataType type) {
  switch (type) {
    case DataType::fp32:
      return std::uint64_t{1} << 24;
    case DataType::bf16:
      return std::uint64_t{1} << 8;
    case DataType::fp16:
      return std::uint64_t{1} << 11;
    case DataType::bytes:
      return 255;
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

/// Group 0 is that of all ranks.
std::uint64_t random_at(std::uint64_t group, std::uint64_t step, std::size_t place) {
  return mix((group << 48) ^ (step * kPatternPeriod + place));
}

/// 32 random bits to a number below `bound` (Lemire 2019, arXiv:1805.10941).
std::uint64_t below(std::uint64_t bits32, std::uint64_t bound) { return (bits32 * bound) >> 32; }

/// Calls visit(bytes from the piece's start, place in the period, bytes) for the pieces of a range of elements, the
/// first of which is at `place` of the period, within one period each.
template <class Visit>
void for_each_piece(std::size_t place, std::size_t count, std::size_t element_bytes, Visit visit) {
  place %= kPatternPeriod;
  for (std::size_t done = 0; done < count; place = 0) {
    const std::size_t length = std::min(count - done, kPatternPeriod - place);
    visit(done * element_bytes, place * element_bytes, length * element_bytes);
    done += length;
  }
}

void copy_pattern(std::byte* to, const std::vector<std::byte>& period, std::size_t place, std::size_t count,
                  std::size_t element_bytes) {
  for_each_piece(place, count, element_bytes, [&](std::size_t done, std::size_t at, std::size_t length) {
    std::memcpy(to + done, period.data() + at, length);
  });
}

std::uint64_t count_unlike(const std::byte* values, const std::vector<std::byte>& period, std::size_t place,
                           std::size_t count, std::size_t element_bytes) {
  std::uint64_t wrong = 0;
  for_each_piece(place, count, element_bytes, [&](std::size_t done, std::size_t at, std::size_t length) {
    const std::byte* got = values + done;
    const std::byte* want = period.data() + at;
    if (std::memcmp(got, want, length) == 0) return;
    for (std::size_t i = 0; i < length; i += element_bytes)
      wrong += std::memcmp(got + i, want + i, element_bytes) != 0 ? 1U : 0U;
  });
  return wrong;
}

}  // namespace

SumPattern::SumPattern(DataType type, std::uint16_t group, int rank, int ranks)
    : type_(type),
      element_bytes_(bytes_per_element(type)),
      group_(group),
      rank_(static_cast<std::uint64_t>(rank)),
      ranks_(static_cast<std::uint64_t>(ranks)),
      contributors_(std::min(ranks_, largest_exact_integer(type))),
      modulus_(std::min(largest_exact_integer(type) / contributors_ + 1, kLargestModulus)),
      sums_(modulus_),
      own_(kPatternPeriod * element_bytes_),
      expected_(kPatternPeriod * element_bytes_) {
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < contributors_; ++i) sum += i % modulus_;
  for (std::uint64_t a = 0; a < modulus_; ++a) {
    sums_[a] = static_cast<float>(sum);
    sum += (a + contributors_) % modulus_;
    sum -= a;
  }
}

void SumPattern::begin_step(std::uint64_t step) {
  for (std::size_t place = 0; place < kPatternPeriod; ++place) {
    const std::uint64_t random = random_at(group_, step, place);
    const std::uint64_t a = below(random >> 32, modulus_);
    const std::uint64_t i = (rank_ + below(random & 0xffff'ffffU, ranks_)) % ranks_;
    store_element(own_.data(), place, type_, i < contributors_ ? static_cast<float>((a + i) % modulus_) : 0.0F);
    store_element(expected_.data(), place, type_, sums_[a]);
  }
}

void SumPattern::fill(std::byte* values, std::size_t first, std::size_t count) const {
  copy_pattern(values, own_, first, count, element_bytes_);
}

std::uint64_t SumPattern::count_wrong(const std::byte* sums, std::size_t first, std::size_t count) const {
  return count_unlike(sums, expected_, first, count, element_bytes_);
}

CopyPattern::CopyPattern(DataType type, std::uint16_t group, int ranks)
    : type_(type),
      element_bytes_(bytes_per_element(type)),
      group_(group),
      ranks_(static_cast<std::uint64_t>(ranks)),
      period_(kPatternPeriod * element_bytes_) {}

void CopyPattern::begin_step(std::uint64_t step) {
  const std::uint64_t values = largest_exact_integer(type_) + 1;
  for (std::size_t place = 0; place < kPatternPeriod; ++place) {
    const std::uint64_t value = below(random_at(group_, step, place) >> 32, values);
    store_element(period_.data(), place, type_, static_cast<float>(value));
  }
}

std::size_t CopyPattern::place_of(int source, int destination, std::size_t first) const {
  const std::uint64_t pair = static_cast<std::uint64_t>(source) * ranks_ + static_cast<std::uint64_t>(destination);
  return (first + kPairDistance * (pair % kPatternPeriod)) % kPatternPeriod;
}

void CopyPattern::fill(std::byte* values, int source, int destination, std::size_t first, std::size_t count) const {
  copy_pattern(values, period_, place_of(source, destination, first), count, element_bytes_);
}

std::uint64_t CopyPattern::count_wrong(const std::byte* values, int source, int destination, std::size_t first,
                                       std::size_t count) const {
  return count_unlike(values, period_, place_of(source, destination, first), count, element_bytes_);
}

}  // namespace grit
