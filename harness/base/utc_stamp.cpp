#include <ctime>

#include "harness/base/clock.hpp"

namespace grit {

std::string utc_stamp(std::int64_t realtime_ns) {
  const time_t seconds = realtime_ns / kNsPerS;
  tm utc{};
  gmtime_r(&seconds, &utc);
  char text[32];
  const size_t length = std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &utc);
  return {text, length};
}

}  // namespace grit
