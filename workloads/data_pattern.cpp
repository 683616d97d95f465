#include "workloads/data_pattern.hpp"

#include "workloads/fabric/sum.hpp"

namespace grit {
namespace {

constexpr std::uint64_t kPairDistance = 2531;  // 4093 / golden ratio, nearly: neighbouring pairs lie far apart

WrongValuesFound found(const Unlike& unlike, std::size_t first) {
  WrongValuesFound wrong{.count = unlike.count};
  if (unlike.first)
    wrong.first = {.element = first + unlike.first->element,
                   .expected_bits = unlike.first->expected_bits,
                   .got_bits = unlike.first->got_bits};
  return wrong;
}

}  // namespace

SumPattern::SumPattern(DataType type, std::uint16_t group, int rank, int ranks)
    : values_(type, group, ranks),
      rank_(static_cast<std::uint64_t>(rank)),
      own_(kPatternPeriod, bytes_per_element(type)),
      expected_(kPatternPeriod, bytes_per_element(type)) {}

void SumPattern::begin_step(std::uint64_t step) {
  step_ = step;
  std::byte* own = own_.rewrite();
  std::byte* expected = expected_.rewrite();
  for (std::size_t place = 0; place < kPatternPeriod; ++place) {
    const SumValues::Draw draw = values_.draw(step, place);
    store_element(own, place, type(), values_.value(draw, rank_));
    store_element(expected, place, type(), values_.sum(draw));
  }
}

void SumPattern::fill(Device& device, std::byte* values, std::size_t first, std::size_t count) const {
  device.fill(own_, first, values, count);
}

WrongValuesFound SumPattern::check(Device& device, const std::byte* sums, std::size_t first, std::size_t count) const {
  return found(device.compare(expected_, first, sums, count), first);
}

void SumPattern::fill(std::byte* values, std::size_t first, std::size_t count) const {
  HostDevice host;
  fill(host, values, first, count);
}

std::uint64_t SumPattern::count_wrong(const std::byte* sums, std::size_t first, std::size_t count) const {
  HostDevice host;
  return check(host, sums, first, count).count;
}

std::optional<WrongElement> SumPattern::first_wrong(const std::byte* sums, std::size_t first, std::size_t count) const {
  HostDevice host;
  return check(host, sums, first, count).first;
}

CopyPattern::CopyPattern(DataType type, std::uint16_t group, int ranks)
    : type_(type),
      group_(group),
      ranks_(static_cast<std::uint64_t>(ranks)),
      period_(kPatternPeriod, bytes_per_element(type)) {}

void CopyPattern::begin_step(std::uint64_t step) {
  step_ = step;
  std::byte* period = period_.rewrite();
  const std::uint64_t values = largest_exact_integer(type_) + 1;
  for (std::size_t place = 0; place < kPatternPeriod; ++place) {
    const std::uint64_t value = below(pattern_random(group_, step, place) >> 32, values);
    store_element(period, place, type_, static_cast<float>(value));
  }
}

std::size_t CopyPattern::place_of(int source, int destination, std::size_t first) const {
  const std::uint64_t pair = static_cast<std::uint64_t>(source) * ranks_ + static_cast<std::uint64_t>(destination);
  return (first + kPairDistance * (pair % kPatternPeriod)) % kPatternPeriod;
}

void CopyPattern::fill(Device& device, std::byte* values, int source, int destination, std::size_t first,
                       std::size_t count) const {
  device.fill(period_, place_of(source, destination, first), values, count);
}

WrongValuesFound CopyPattern::check(Device& device, const std::byte* values, int source, int destination,
                                    std::size_t first, std::size_t count) const {
  return found(device.compare(period_, place_of(source, destination, first), values, count), first);
}

void CopyPattern::fill(std::byte* values, int source, int destination, std::size_t first, std::size_t count) const {
  HostDevice host;
  fill(host, values, source, destination, first, count);
}

std::uint64_t CopyPattern::count_wrong(const std::byte* values, int source, int destination, std::size_t first,
                                       std::size_t count) const {
  HostDevice host;
  return check(host, values, source, destination, first, count).count;
}

std::optional<WrongElement> CopyPattern::first_wrong(const std::byte* values, int source, int destination,
                                                     std::size_t first, std::size_t count) const {
  HostDevice host;
  return check(host, values, source, destination, first, count).first;
}

}  // namespace grit
