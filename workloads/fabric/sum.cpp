#include "workloads/fabric/sum.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "harness/model/element.hpp"

namespace grit {
namespace {

// Loops with a constant trip count vectorise at -O2 already (GCC's very-cheap cost model); the remainder is short.
constexpr std::size_t kBlock = 64;

template <class Element, class Add>
void sum_blocks(const Element* __restrict in, Element* __restrict inout, std::size_t count, Add add) {
  std::size_t i = 0;
  for (; i + kBlock <= count; i += kBlock) {
    for (std::size_t j = 0; j < kBlock; ++j) inout[i + j] = add(in[i + j], inout[i + j]);
  }
  for (; i < count; ++i) inout[i] = add(in[i], inout[i]);
}

std::uint16_t add_bf16(std::uint16_t a, std::uint16_t b) { return float_to_bf16(bf16_to_float(a) + bf16_to_float(b)); }
std::uint16_t add_fp16(std::uint16_t a, std::uint16_t b) { return float_to_fp16(fp16_to_float(a) + fp16_to_float(b)); }

}  // namespace

Result<DataType> parse_data_type(std::string_view name) {
  for (const DataType type : {DataType::fp32, DataType::bf16, DataType::fp16}) {
    if (name == data_type_name(type)) return type;
  }
  return usage_error(fmt::format("unknown data type \"{}\": use fp32, bf16 or fp16", name));
}

void sum_into(const void* in, void* inout, std::size_t count, DataType type) {
  const auto* in16 = static_cast<const std::uint16_t*>(in);
  auto* inout16 = static_cast<std::uint16_t*>(inout);
  switch (type) {
    case DataType::fp32:
      sum_blocks(static_cast<const float*>(in), static_cast<float*>(inout), count,
                 [](float a, float b) { return a + b; });
      return;
    case DataType::bf16:
      sum_blocks(in16, inout16, count, [](std::uint16_t a, std::uint16_t b) { return add_bf16(a, b); });
      return;
    case DataType::fp16:
      sum_blocks(in16, inout16, count, [](std::uint16_t a, std::uint16_t b) { return add_fp16(a, b); });
      return;
    case DataType::bytes:
      GRIT_ASSERT(type != DataType::bytes);
  }
}

float load_element(const void* buffer, std::size_t index, DataType type) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, static_cast<const std::byte*>(buffer) + index * bytes_per_element(type), bytes_per_element(type));
  return element_value(type, bits);
}

void store_element(void* buffer, std::size_t index, DataType type, float value) {
  const std::uint32_t bits = element_bits(type, value);
  std::memcpy(static_cast<std::byte*>(buffer) + index * bytes_per_element(type), &bits, bytes_per_element(type));
}

}  // namespace grit
