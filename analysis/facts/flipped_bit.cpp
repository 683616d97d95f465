#include "analysis/facts/flipped_bit.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "harness/model/element.hpp"

namespace grit {
namespace {

constexpr double kSlack = 1e-12;  // of sums in double, in which this is worked out

double largest_finite(DataType type) {
  constexpr std::uint32_t kFp32 = 0x7f7f'ffffU, kBf16 = 0x7f7fU, kFp16 = 0x7bffU;
  return element_value(type, type == DataType::fp32 ? kFp32 : type == DataType::bf16 ? kBf16 : kFp16);
}

/// The weight of the lowest bit that is set.
double grid_of(double value) {
  if (value == 0) return std::numeric_limits<double>::infinity();
  int exponent = 0;
  const double mantissa = std::frexp(std::abs(value), &exponent);  // of 53 bits at most, an integer times 2^-53
  const auto bits = static_cast<std::uint64_t>(std::ldexp(mantissa, 53));
  return std::ldexp(1.0, exponent - 53 + std::countr_zero(bits));
}

/// The others' sum is an integer, and so is each of its partial sums, within what the type holds exactly.
struct Summands {
  DataType type = DataType::fp32;
  std::uint64_t ranks = 1;
  double others = 0;   // their sum
  double flipped = 0;  // the one with the flipped bit
};

double rounding_bound(const Summands& summands) {
  const double all = std::abs(summands.flipped) + summands.others;
  const double grid = std::min(1.0, grid_of(summands.flipped));
  if (all <= std::ldexp(grid, significand_bits(summands.type))) return 0;
  const double roundings = static_cast<double>(summands.ranks - 1) * std::ldexp(1.0, -significand_bits(summands.type));
  if (roundings >= 0.5) return std::numeric_limits<double>::infinity();
  return all * (roundings / (1 - roundings) + kSlack);
}

bool can_give(const Summands& summands, double sum) {
  if (std::isnan(summands.flipped)) return std::isnan(sum);
  if (std::isnan(sum)) return false;
  if (std::isinf(summands.flipped)) return sum == summands.flipped;
  const double bound = rounding_bound(summands), exact = summands.others + summands.flipped;
  const double largest = largest_finite(summands.type);
  // Rounds to infinity from half a unit above the largest number on, which is less than `bound` where it can.
  if (std::isinf(sum)) return (sum > 0) == (exact > 0) && std::abs(exact) + bound >= largest;
  return std::abs(sum - exact) <= bound;
}

}  // namespace

std::vector<int> could_have_flipped(const SumValues& values, std::uint64_t step, std::size_t element,
                                    std::uint32_t sum_bits) {
  std::vector<int> ranks;
  const SumValues::Draw draw = values.draw(step, element);
  const double right = values.sum(draw), sum = element_value(values.type(), sum_bits);
  const auto bits = static_cast<int>(8 * bytes_per_element(values.type()));
  for (std::uint64_t rank = 0; rank < values.ranks(); ++rank) {
    const float sent = values.value(draw, rank);
    const std::uint32_t sent_bits = element_bits(values.type(), sent);
    for (int bit = 0; bit < bits; ++bit) {
      const double flipped = element_value(values.type(), sent_bits ^ (std::uint32_t{1} << bit));
      if (!can_give({values.type(), values.ranks(), right - sent, flipped}, sum)) continue;
      ranks.push_back(static_cast<int>(rank));
      break;
    }
  }
  return ranks;
}

}  // namespace grit
