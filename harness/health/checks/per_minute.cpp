#include "harness/health/checks/per_minute.hpp"

#include <algorithm>

#include "harness/base/clock.hpp"

namespace grit {

double count_per_minute(CheckMemory& memory, const std::string& counter, std::int64_t now) {
  constexpr std::int64_t kMinute_ns = 60 * kNsPerS;
  const std::string began = counter + " minute began", counted = counter + " in this minute";
  const std::int64_t grown = memory.growth(counter, now).value_or(0);
  const std::int64_t elapsed_ns = memory.elapsed_ns().value_or(0);
  std::int64_t count = memory.find(counted).value_or(0) + grown;
  if (memory.now_ns() - memory.find(began).value_or(memory.now_ns() - kMinute_ns) >= kMinute_ns) {
    // What came since the last reading came in this minute, or on the way to it.
    memory.keep(began, memory.now_ns() - std::min(elapsed_ns, kMinute_ns));
    count = grown;
  }
  memory.keep(counted, count);
  return static_cast<double>(count) * static_cast<double>(kMinute_ns) /
         static_cast<double>(std::max(elapsed_ns, kMinute_ns));
}

}  // namespace grit
