// Alone in this file, so that a program can bring a clock of its own (tests/virtual).
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

}  // namespace grit
