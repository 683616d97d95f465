#include "workloads/gradient_pattern.hpp"

#include <set>
#include <vector>

#include "tests/catch.hpp"
#include "workloads/fabric/sum.hpp"

using namespace grit;

namespace {

constexpr std::size_t kFirst = 1000;
constexpr std::size_t kCount = 2 * GradientPattern::kPeriod + 17;

std::vector<std::byte> summed_over_ranks(DataType type, int ranks, std::uint64_t step) {
  std::vector<std::byte> sum(kCount * bytes_per_element(type));
  std::vector<std::byte> own(sum.size());
  for (int rank = 0; rank < ranks; ++rank) {
    GradientPattern pattern(type, rank, ranks);
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
      GradientPattern pattern(type, ranks - 1, ranks);
      pattern.begin_step(5);
      CHECK(pattern.count_wrong(sum.data(), kFirst, kCount) == 0);
    }
  }
}

TEST_CASE("more ranks than fp16 can count: a part of them contributes") {
  const auto sum = summed_over_ranks(DataType::fp16, 2100, 1);
  GradientPattern pattern(DataType::fp16, 0, 2100);
  pattern.begin_step(1);
  CHECK(pattern.count_wrong(sum.data(), kFirst, kCount) == 0);
}

TEST_CASE("every flipped bit, a step too old and data in the wrong place are counted") {
  for (const DataType type : {DataType::fp32, DataType::bf16, DataType::fp16}) {
    auto sum = summed_over_ranks(type, 4, 9);
    GradientPattern pattern(type, 2, 4);
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
  }
}

TEST_CASE("a missing or doubled contribution of one rank is counted") {
  const auto sum = summed_over_ranks(DataType::bf16, 4, 3);
  GradientPattern pattern(DataType::bf16, 1, 4);
  pattern.begin_step(3);
  std::vector<std::byte> own(sum.size());
  pattern.fill(own.data(), kFirst, kCount);
  auto doubled = sum;
  sum_into(own.data(), doubled.data(), kCount, DataType::bf16);
  CHECK(pattern.count_wrong(doubled.data(), kFirst, kCount) > kCount / 2);
}

TEST_CASE("values vary over elements") {
  GradientPattern pattern(DataType::bf16, 0, 4);
  pattern.begin_step(0);
  std::vector<std::byte> own(GradientPattern::kPeriod * 2);
  pattern.fill(own.data(), 0, GradientPattern::kPeriod);
  std::set<float> values;
  for (std::size_t i = 0; i < GradientPattern::kPeriod; ++i) values.insert(load_element(own.data(), i, DataType::bf16));
  CHECK(values.size() == 65);  // 4 · 64 = 2^8
}
