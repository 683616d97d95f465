// Elements that ranks exchange, as bits and as numbers.
#pragma once

#include "harness/model/data_type.hpp"
#include "harness/model/float16.hpp"

namespace grit {

/// The number that the low bits of `bits` are in this type; of `bytes` 0 to 255.
constexpr float element_value(DataType type, std::uint32_t bits) {
  switch (type) {
    case DataType::fp32:
      return std::bit_cast<float>(bits);
    case DataType::bf16:
      return bf16_to_float(static_cast<std::uint16_t>(bits));
    case DataType::fp16:
      return fp16_to_float(static_cast<std::uint16_t>(bits));
    case DataType::bytes:
      return static_cast<float>(bits & 0xffU);
  }
  return 0;
}

/// The bits of the nearest number of this type, ties to even.
constexpr std::uint32_t element_bits(DataType type, float value) {
  switch (type) {
    case DataType::fp32:
      return std::bit_cast<std::uint32_t>(value);
    case DataType::bf16:
      return float_to_bf16(value);
    case DataType::fp16:
      return float_to_fp16(value);
    case DataType::bytes:
      return static_cast<std::uint8_t>(value);
  }
  return 0;
}

/// How many bits of its significand a type has, the leading one that is not stored included (IEEE 754); of `bytes` all.
constexpr int significand_bits(DataType type) {
  switch (type) {
    case DataType::fp32:
      return 24;
    case DataType::bf16:
    case DataType::bytes:
      return 8;
    case DataType::fp16:
      return 11;
  }
  return 0;
}

}  // namespace grit
