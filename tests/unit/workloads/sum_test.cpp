#include "workloads/fabric/sum.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "harness/model/float16.hpp"
#include "tests/catch.hpp"

using namespace grit;

TEST_CASE("fp16: every value survives the way to float and back, and NaN stays NaN") {
  int wrong = 0;
  for (std::uint32_t bits = 0; bits <= 0xffff; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float value = fp16_to_float(half);
    const bool is_nan = (half & 0x7fffU) > 0x7c00U;
    if (is_nan ? !(std::isnan(value) && std::isnan(fp16_to_float(float_to_fp16(value)))) : float_to_fp16(value) != half)
      ++wrong;
  }
  CHECK(wrong == 0);
}

TEST_CASE("fp16: values and rounding") {
  CHECK(fp16_to_float(0x3c00) == 1.0F);
  CHECK(fp16_to_float(0x7bff) == 65504.0F);
  CHECK(fp16_to_float(0x0001) == 0x1p-24F);
  CHECK(fp16_to_float(0xc500) == -5.0F);
  CHECK(float_to_fp16(2049.0F) == float_to_fp16(2048.0F));  // tie to even
  CHECK(float_to_fp16(2051.0F) == float_to_fp16(2052.0F));
  CHECK(float_to_fp16(65519.0F) == 0x7bff);
  CHECK(float_to_fp16(65520.0F) == 0x7c00);
  CHECK(float_to_fp16(-std::numeric_limits<float>::infinity()) == 0xfc00);
  CHECK(float_to_fp16(0x1p-26F) == 0);
}

TEST_CASE("bf16: every value survives the way to float and back, and NaN stays NaN") {
  int wrong = 0;
  for (std::uint32_t bits = 0; bits <= 0xffff; ++bits) {
    const auto brain = static_cast<std::uint16_t>(bits);
    const float value = bf16_to_float(brain);
    if (std::isnan(value) ? !std::isnan(bf16_to_float(float_to_bf16(value))) : float_to_bf16(value) != brain) ++wrong;
  }
  CHECK(wrong == 0);
  CHECK(std::isnan(bf16_to_float(float_to_bf16(std::bit_cast<float>(0x7fff'ffffU)))));
}

TEST_CASE("bf16: rounding to even") {
  CHECK(bf16_to_float(float_to_bf16(257.0F)) == 256.0F);
  CHECK(bf16_to_float(float_to_bf16(259.0F)) == 260.0F);
  CHECK(std::isinf(bf16_to_float(float_to_bf16(std::numeric_limits<float>::max()))));
}

TEST_CASE("sums are element by element, also past whole blocks") {
  for (const DataType type : {DataType::fp32, DataType::bf16, DataType::fp16}) {
    constexpr std::size_t kCount = 133;
    std::vector<std::byte> a(kCount * bytes_per_element(type) + 1, std::byte{0x5a});
    std::vector<std::byte> b = a;
    for (std::size_t i = 0; i < kCount; ++i) {
      store_element(a.data(), i, type, static_cast<float>(i % 100));
      store_element(b.data(), i, type, static_cast<float>(i % 7));
    }
    sum_into(a.data(), b.data(), kCount, type);
    for (std::size_t i = 0; i < kCount; ++i)
      REQUIRE(load_element(b.data(), i, type) == static_cast<float>(i % 100 + i % 7));
    CHECK(b.back() == std::byte{0x5a});
  }
}

TEST_CASE("data types have names") {
  for (const DataType type : {DataType::fp32, DataType::bf16, DataType::fp16}) {
    CHECK(parse_data_type(data_type_name(type)).value() == type);
  }
  CHECK(parse_data_type("fp8").error().kind == ErrorKind::usage);
}
