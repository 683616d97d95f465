#include "workloads/data_pattern.hpp"

#include <algorithm>
#include <cstring>

#include "workloads/fabric/sum.hpp"

namespace grit {
namespace {

constexpr std::uint64_t kPairDistance = 2531;  // 4093 / golden ratio, nearly: neighbouring pairs lie far apart

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

std::uint32_t bits_at(const std::byte* at, std::size_t element_bytes) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, at, element_bytes);  // all machines that grit runs on are little-endian
  return bits;
}

/// `first`: what the pattern calls the first of these elements, which is at `place` of the period.
std::optional<WrongElement> first_unlike(const std::byte* values, const std::vector<std::byte>& period,
                                         std::size_t place, std::size_t first, std::size_t count,
                                         std::size_t element_bytes) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::byte* got = values + i * element_bytes;
    const std::byte* want = period.data() + (place + i) % kPatternPeriod * element_bytes;
    if (std::memcmp(got, want, element_bytes) != 0)
      return WrongElement{first + i, bits_at(want, element_bytes), bits_at(got, element_bytes)};
  }
  return std::nullopt;
}

}  // namespace

SumPattern::SumPattern(DataType type, std::uint16_t group, int rank, int ranks)
    : values_(type, group, ranks),
      element_bytes_(bytes_per_element(type)),
      rank_(static_cast<std::uint64_t>(rank)),
      own_(kPatternPeriod * element_bytes_),
      expected_(kPatternPeriod * element_bytes_) {}

void SumPattern::begin_step(std::uint64_t step) {
  step_ = step;
  for (std::size_t place = 0; place < kPatternPeriod; ++place) {
    const SumValues::Draw draw = values_.draw(step, place);
    store_element(own_.data(), place, type(), values_.value(draw, rank_));
    store_element(expected_.data(), place, type(), values_.sum(draw));
  }
}

void SumPattern::fill(std::byte* values, std::size_t first, std::size_t count) const {
  copy_pattern(values, own_, first, count, element_bytes_);
}

std::uint64_t SumPattern::count_wrong(const std::byte* sums, std::size_t first, std::size_t count) const {
  return count_unlike(sums, expected_, first, count, element_bytes_);
}

std::optional<WrongElement> SumPattern::first_wrong(const std::byte* sums, std::size_t first, std::size_t count) const {
  return first_unlike(sums, expected_, first, first, count, element_bytes_);
}

CopyPattern::CopyPattern(DataType type, std::uint16_t group, int ranks)
    : type_(type),
      element_bytes_(bytes_per_element(type)),
      group_(group),
      ranks_(static_cast<std::uint64_t>(ranks)),
      period_(kPatternPeriod * element_bytes_) {}

void CopyPattern::begin_step(std::uint64_t step) {
  step_ = step;
  const std::uint64_t values = largest_exact_integer(type_) + 1;
  for (std::size_t place = 0; place < kPatternPeriod; ++place) {
    const std::uint64_t value = below(pattern_random(group_, step, place) >> 32, values);
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

std::optional<WrongElement> CopyPattern::first_wrong(const std::byte* values, int source, int destination,
                                                     std::size_t first, std::size_t count) const {
  return first_unlike(values, period_, place_of(source, destination, first), first, count, element_bytes_);
}

}  // namespace grit
