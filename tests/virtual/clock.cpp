#include "tests/virtual/clock.hpp"

#include "harness/base/clock.hpp"
#include "harness/base/result.hpp"

namespace grit {
namespace {

std::int64_t current_ns = 0;

}  // namespace

namespace testing {

VirtualClock::VirtualClock() {
  GRIT_ASSERT(current_ns == 0);
  current_ns = kBegin_ns;
}

VirtualClock::~VirtualClock() { current_ns = 0; }

void VirtualClock::advance_to(std::int64_t now_ns) {
  GRIT_ASSERT(now_ns >= current_ns);
  current_ns = now_ns;
}

}  // namespace testing

std::int64_t monotonic_ns() { return current_ns; }

std::int64_t realtime_ns() { return current_ns; }

}  // namespace grit
