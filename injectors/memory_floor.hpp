// The memory that no fault may take.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>

#include "harness/os/memory.hpp"

namespace grit {

/// 256 MiB or 2 % of all, whichever is more.
inline std::int64_t memory_floor_bytes(const Memory& memory) {
  return std::max(std::int64_t{256} << 20, memory.total_bytes / 50);
}

/// Why so much cannot be taken; nothing when it can.
inline std::optional<std::string> why_below_floor(const Memory& memory, std::int64_t takes_bytes) {
  const std::int64_t leaves_bytes = memory.available_bytes - takes_bytes;
  if (leaves_bytes >= memory_floor_bytes(memory)) return std::nullopt;
  return fmt::format("of {} available bytes it would leave {}, and the floor is {}: let it take less",
                     memory.available_bytes, std::max<std::int64_t>(0, leaves_bytes), memory_floor_bytes(memory));
}

}  // namespace grit
