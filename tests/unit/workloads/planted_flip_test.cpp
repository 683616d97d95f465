#include "workloads/planted_flip.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

#include "tests/catch.hpp"

using namespace grit;

namespace {

struct Flipped {
  std::size_t bits = 0, element = 0;
  int bit = -1;  // of the last one
};

Flipped difference(const std::vector<std::byte>& before, const std::vector<std::byte>& after,
                   std::size_t element_bytes) {
  Flipped flipped;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const auto changed = std::to_integer<unsigned>(before[i] ^ after[i]);
    if (changed == 0) continue;
    flipped.bits += static_cast<std::size_t>(std::popcount(changed));
    flipped.element = i / element_bytes;
    flipped.bit = static_cast<int>(8 * (i % element_bytes)) + std::countr_zero(changed);
  }
  return flipped;
}

constexpr std::size_t kElements = 1000, kParts = 4;

/// What a step of a workload of four parts does to its zeros.
Flipped step_of(RankDials& dials, DataType type, std::uint64_t step) {
  std::vector<std::byte> values(kElements * bytes_per_element(type));
  const std::vector<std::byte> before = values;
  constexpr std::size_t kPart = kElements / kParts;
  HostDevice host;
  for (std::size_t part = 0; part < kParts; ++part)
    flip_if_asked(&dials, host, values.data() + part * kPart * bytes_per_element(type), part * kPart, kPart, kElements,
                  type, step);
  return difference(before, values, bytes_per_element(type));
}

}  // namespace

TEST_CASE("without the fault nothing flips") {
  RankDials dials;
  for (std::uint64_t step = 0; step < 10; ++step) CHECK(step_of(dials, DataType::bf16, step).bits == 0);
  CHECK(dials.flipped_bits == 0);
  HostDevice host;
  flip_if_asked(nullptr, host, nullptr, 0, 10, 10, DataType::bf16, 0);
}

TEST_CASE("one bit of one element flips in every so many-th step, of all parts together") {
  RankDials dials;
  dials.flip_bit = 5;
  dials.flip_every = 3;
  std::vector<std::size_t> elements;
  for (std::uint64_t step = 0; step < 30; ++step) {
    const Flipped flipped = step_of(dials, DataType::fp32, step);
    CHECK(flipped.bits == (step % 3 == 0 ? 1U : 0U));
    if (flipped.bits == 0) continue;
    CHECK(flipped.bit == 5);
    elements.push_back(flipped.element);
  }
  CHECK(dials.flipped_bits == 10);
  std::sort(elements.begin(), elements.end());
  CHECK(std::unique(elements.begin(), elements.end()) == elements.end());
  dials.flip_seed = 1;
  CHECK(step_of(dials, DataType::fp32, 0).element != elements.front());
}

TEST_CASE("bits that have names are those of the type, and one beyond it is not flipped") {
  const auto bit = [](std::int64_t dial, DataType type) {
    RankDials dials;
    dials.flip_bit = dial;
    const Flipped flipped = step_of(dials, type, 4);
    CHECK(dials.flipped_bits == static_cast<std::int64_t>(flipped.bits));
    return flipped.bit;
  };
  CHECK(bit(kFlipSign, DataType::fp32) == 31);
  CHECK(bit(kFlipExponent, DataType::fp32) == 23);
  CHECK(bit(kFlipMantissa, DataType::fp32) == 22);
  CHECK(bit(kFlipSign, DataType::bf16) == 15);
  CHECK(bit(kFlipExponent, DataType::bf16) == 7);
  CHECK(bit(kFlipMantissa, DataType::bf16) == 6);
  CHECK(bit(kFlipExponent, DataType::fp16) == 10);
  CHECK(bit(15, DataType::fp16) == 15);
  CHECK(bit(16, DataType::fp16) == -1);
  RankDials dials;
  dials.flip_bit = kFlipAny;
  std::vector<bool> hit(16);
  for (std::uint64_t step = 0; step < 200; ++step)
    hit[static_cast<std::size_t>(step_of(dials, DataType::bf16, step).bit)] = true;
  CHECK(hit == std::vector<bool>(16, true));
}
