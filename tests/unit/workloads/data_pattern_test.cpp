#include "workloads/data_pattern.hpp"

#include <set>
#include <vector>

#include "tests/catch.hpp"
#include "workloads/fabric/sum.hpp"

using namespace grit;

namespace {

constexpr std::size_t kFirst = 1000;
constexpr std::uint16_t kGroup = 0;
constexpr std::size_t kCount = 2 * kPatternPeriod + 17;

std::vector<std::byte> summed_over_ranks(DataType type, int ranks, std::uint64_t step) {
  std::vector<std::byte> sum(kCount * bytes_per_element(type));
  std::vector<std::byte> own(sum.size());
  for (int rank = 0; rank < ranks; ++rank) {
    SumPattern pattern(type, kGroup, rank, ranks);
    pattern.begin_step(step);
    pattern.fill(own.data(), kFirst, kCount);
    sum_into(own.data(), sum.data(), kCount, type);
  }
  return sum;
}

}  // namespace

TEST_CASE("the sum over all ranks is what each of them expects, for any number of ranks") {
  for (const DataType type : {DataType::fp32, DataType::bf16, DataType::fp16}) {
    for (const int ranks : {1, 2, 3, 4, 7, 64, 255, 256, 257, 300}) {
      INFO(data_type_name(type) << ", " << ranks << " ranks");
      const auto sum = summed_over_ranks(type, ranks, 5);
      SumPattern pattern(type, kGroup, ranks - 1, ranks);
      pattern.begin_step(5);
      CHECK(pattern.count_wrong(sum.data(), kFirst, kCount) == 0);
    }
  }
}

TEST_CASE("more ranks than fp16 can count: a part of them contributes") {
  const auto sum = summed_over_ranks(DataType::fp16, 2100, 1);
  SumPattern pattern(DataType::fp16, kGroup, 0, 2100);
  pattern.begin_step(1);
  CHECK(pattern.count_wrong(sum.data(), kFirst, kCount) == 0);
}

TEST_CASE("of sums, every flipped bit, a step too old and data in the wrong place are counted") {
  for (const DataType type : {DataType::fp32, DataType::bf16, DataType::fp16}) {
    auto sum = summed_over_ranks(type, 4, 9);
    SumPattern pattern(type, kGroup, 2, 4);
    pattern.begin_step(9);
    for (std::size_t bit = 0; bit < 8 * bytes_per_element(type); ++bit) {
      std::byte& hit = sum[kCount / 2 * bytes_per_element(type) + bit / 8];
      hit ^= std::byte{1} << (bit % 8);
      CHECK(pattern.count_wrong(sum.data(), kFirst, kCount) == 1);
      hit ^= std::byte{1} << (bit % 8);
    }
    CHECK(pattern.count_wrong(sum.data(), kFirst + 1, kCount) > kCount / 2);
    pattern.begin_step(10);
    CHECK(pattern.count_wrong(sum.data(), kFirst, kCount) > kCount / 2);
    SumPattern other_group(type, kGroup + 1, 2, 4);
    other_group.begin_step(9);
    CHECK(other_group.count_wrong(sum.data(), kFirst, kCount) > kCount / 2);
  }
}

TEST_CASE("a missing or doubled contribution of one rank is counted") {
  const auto sum = summed_over_ranks(DataType::bf16, 4, 3);
  SumPattern pattern(DataType::bf16, kGroup, 1, 4);
  pattern.begin_step(3);
  std::vector<std::byte> own(sum.size());
  pattern.fill(own.data(), kFirst, kCount);
  auto doubled = sum;
  sum_into(own.data(), doubled.data(), kCount, DataType::bf16);
  CHECK(pattern.count_wrong(doubled.data(), kFirst, kCount) > kCount / 2);
}

TEST_CASE("values vary over elements") {
  SumPattern pattern(DataType::bf16, kGroup, 0, 4);
  pattern.begin_step(0);
  std::vector<std::byte> own(kPatternPeriod * 2);
  pattern.fill(own.data(), 0, kPatternPeriod);
  std::set<float> values;
  for (std::size_t i = 0; i < kPatternPeriod; ++i) values.insert(load_element(own.data(), i, DataType::bf16));
  CHECK(values.size() == 65);  // 4 · 64 = 2^8
}

TEST_CASE("what is copied is known by step, group, source, destination and place, in every type") {
  for (const DataType type : {DataType::fp32, DataType::bf16, DataType::fp16, DataType::bytes}) {
    INFO(data_type_name(type));
    constexpr int kRanks = 8;
    CopyPattern pattern(type, kGroup, kRanks);
    pattern.begin_step(9);
    std::vector<std::byte> sent(kCount * bytes_per_element(type));
    pattern.fill(sent.data(), 2, 5, kFirst, kCount);
    CHECK(pattern.count_wrong(sent.data(), 2, 5, kFirst, kCount) == 0);
    // Read in pieces, the first of which begins within the period.
    const std::size_t half = kCount / 2 + 3;
    CHECK(pattern.count_wrong(sent.data() + half * bytes_per_element(type), 2, 5, kFirst + half, kCount - half) == 0);
    for (int source = 0; source < kRanks; ++source)
      for (int destination = 0; destination < kRanks; ++destination)
        if (source != 2 || destination != 5)
          CHECK(pattern.count_wrong(sent.data(), source, destination, kFirst, kCount) > kCount / 2);
    CHECK(pattern.count_wrong(sent.data(), 2, 5, kFirst + 1, kCount) > kCount / 2);
    for (std::size_t bit = 0; bit < 8 * bytes_per_element(type); ++bit) {
      std::byte& hit = sent[kCount / 2 * bytes_per_element(type) + bit / 8];
      hit ^= std::byte{1} << (bit % 8);
      CHECK(pattern.count_wrong(sent.data(), 2, 5, kFirst, kCount) == 1);
      hit ^= std::byte{1} << (bit % 8);
    }
    CopyPattern other_group(type, kGroup + 1, kRanks);
    other_group.begin_step(9);
    CHECK(other_group.count_wrong(sent.data(), 2, 5, kFirst, kCount) > kCount / 2);
    pattern.begin_step(10);
    CHECK(pattern.count_wrong(sent.data(), 2, 5, kFirst, kCount) > kCount / 2);
  }
}

TEST_CASE("in a large group, too, data of any other source or for any other destination are counted") {
  constexpr int kRanks = 1000;
  CopyPattern pattern(DataType::bytes, kGroup, kRanks);
  pattern.begin_step(1);
  std::vector<std::byte> sent(64);
  pattern.fill(sent.data(), 17, 400, 0, sent.size());
  for (int other = 0; other < kRanks; ++other) {
    if (other != 17) CHECK(pattern.count_wrong(sent.data(), other, 400, 0, sent.size()) > sent.size() / 2);
    if (other != 400) CHECK(pattern.count_wrong(sent.data(), 17, other, 0, sent.size()) > sent.size() / 2);
  }
}
