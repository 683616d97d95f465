// The types of the elements that ranks exchange.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace grit {

/// In collectives.npy by these numbers, so none is ever changed. `bytes` are moved as they are and never summed.
enum class DataType : std::uint8_t { fp32 = 0, bf16 = 1, fp16 = 2, bytes = 3 };

constexpr std::size_t bytes_per_element(DataType type) {
  switch (type) {
    case DataType::fp32:
      return 4;
    case DataType::bf16:
    case DataType::fp16:
      return 2;
    case DataType::bytes:
      return 1;
  }
  return 1;
}

/// "fp32", "bf16", "fp16", "bytes".
constexpr std::string_view data_type_name(DataType type) {
  switch (type) {
    case DataType::fp32:
      return "fp32";
    case DataType::bf16:
      return "bf16";
    case DataType::fp16:
      return "fp16";
    case DataType::bytes:
      return "bytes";
  }
  return "?";
}

}  // namespace grit
