// The two 16-bit floating-point formats of training, as bits, to and from float; rounding to nearest, ties to even.
//
// All are free of branches, so that loops over them vectorise. bf16 is the upper half of a float
// (https://cloud.google.com/tpu/docs/bfloat16). fp16 is IEEE 754 binary16; its conversions follow F. Giesen,
// "Float->half variants" (https://gist.github.com/rygorous/2156668, public domain).
#pragma once

#include <bit>
#include <cstdint>

namespace grit {

namespace detail {
constexpr std::uint32_t kSignMask = 0x8000'0000U;
constexpr std::uint32_t kFloatInfinity = 0x7f80'0000U;

/// A choice by masks: compilers may turn ?: into a branch when one side is a floating-point operation that could trap.
constexpr std::uint32_t select(bool condition, std::uint32_t yes, std::uint32_t no) {
  const std::uint32_t mask = 0U - static_cast<std::uint32_t>(condition);
  return (yes & mask) | (no & ~mask);
}
}  // namespace detail

constexpr float bf16_to_float(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

constexpr std::uint16_t float_to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t rounded = (bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16;
  // Rounding could carry a NaN's payload into infinity or zero; it is made quiet instead.
  const std::uint32_t quiet_nan = (bits >> 16) | 0x40U;
  const bool is_nan = (bits & ~detail::kSignMask) > detail::kFloatInfinity;
  return static_cast<std::uint16_t>(is_nan ? quiet_nan : rounded);
}

constexpr float fp16_to_float(std::uint16_t bits) {
  constexpr float kExponentShift = 0x1p112F;  // between the biases of the two formats, 127 - 15
  const float magnitude = std::bit_cast<float>((std::uint32_t{bits} & 0x7fffU) << 13) * kExponentShift;
  const std::uint32_t special = (bits & 0x7c00U) == 0x7c00U ? detail::kFloatInfinity : 0U;
  const std::uint32_t sign = (std::uint32_t{bits} & 0x8000U) << 16;
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(magnitude) | special | sign);
}

constexpr std::uint16_t float_to_fp16(float value) {
  constexpr std::uint32_t kOverflow = (127U + 16U) << 23;        // 2^16: rounds to infinity
  constexpr std::uint32_t kSmallestNormal = (127U - 14U) << 23;  // 2^-14
  constexpr std::uint32_t kDenormalMagic = (127U - 1U)
                                           << 23;  // 0.5: adding it aligns the mantissa by hardware rounding
  constexpr std::uint32_t kRebias = ((127U - 15U) << 23) - 0xfffU;
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t magnitude = bits & ~detail::kSignMask;
  const std::uint32_t special = magnitude > detail::kFloatInfinity ? 0x7e00U : 0x7c00U;
  const float aligned = std::bit_cast<float>(magnitude) + std::bit_cast<float>(kDenormalMagic);
  const std::uint32_t denormal = std::bit_cast<std::uint32_t>(aligned) - kDenormalMagic;
  const std::uint32_t normal = (magnitude - kRebias + ((magnitude >> 13) & 1U)) >> 13;
  const std::uint32_t finite = detail::select(magnitude < kSmallestNormal, denormal, normal);
  const std::uint32_t result = detail::select(magnitude >= kOverflow, special, finite);
  return static_cast<std::uint16_t>(result | ((bits & detail::kSignMask) >> 16));
}

}  // namespace grit
