#include "workloads/planted_flip.hpp"

#include <algorithm>

#include "harness/base/mix.hpp"
#include "harness/base/result.hpp"
#include "harness/model/element.hpp"

namespace grit {
namespace {

/// Which bit of an element that is; -1: elements of this type have none such.
int bit_of(std::int64_t dial, DataType type, std::uint64_t random) {
  const int bits = static_cast<int>(8 * bytes_per_element(type)), stored = significand_bits(type) - 1;
  if (dial == kFlipSign) return bits - 1;
  if (dial == kFlipExponent) return stored;
  if (dial == kFlipMantissa) return stored - 1;
  if (dial == kFlipAny) return static_cast<int>(random % static_cast<std::uint64_t>(bits));
  return dial >= 0 && dial < bits ? static_cast<int>(dial) : -1;
}

}  // namespace

void flip_if_asked(RankDials* dials, Device& device, std::byte* values, std::size_t first, std::size_t count,
                   std::size_t total, DataType type, std::uint64_t step) {
  if (dials == nullptr || total == 0) return;
  const std::int64_t dial = dials->flip_bit.load(std::memory_order_relaxed);
  if (dial == kFlipNone) return;
  GRIT_ASSERT(type != DataType::bytes);
  const auto every = static_cast<std::uint64_t>(std::max<std::int64_t>(dials->flip_every.load(), 1));
  const auto seed = static_cast<std::uint64_t>(dials->flip_seed.load());
  if (step % every != 0) return;
  const std::size_t element = mix(mix(seed) + step) % total;
  const int bit = bit_of(dial, type, mix(mix(seed + 1) + step));
  if (element < first || element - first >= count || bit < 0) return;
  const auto place = static_cast<std::size_t>(bit);
  device.flip(values + (element - first) * bytes_per_element(type) + place / 8, std::byte{1} << (place % 8));
  dials->flipped_bits.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace grit
