#include "harness/base/clock.hpp"

#include <ctime>

namespace grit {
namespace {

std::int64_t read_clock(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<std::int64_t>(now.tv_sec) * kNsPerS + now.tv_nsec;
}

}  // namespace

std::int64_t monotonic_ns() { return read_clock(CLOCK_MONOTONIC); }

std::int64_t realtime_ns() { return read_clock(CLOCK_REALTIME); }

std::string utc_stamp(std::int64_t realtime_ns) {
  const time_t seconds = realtime_ns / kNsPerS;
  tm utc{};
  gmtime_r(&seconds, &utc);
  char text[32];
  const size_t length = std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &utc);
  return {text, length};
}

}  // namespace grit
