// A clock that goes on only when it is told to. In the program that this is linked into grit's own clock functions
// (harness/base/clock.hpp) read it: the linker takes these definitions and leaves the library's out.
#pragma once

#include <cstdint>

namespace grit::testing {

/// One at a time; without one it is 0 o'clock.
class VirtualClock {
 public:
  static constexpr std::int64_t kBegin_ns = 1'000'000'000'000;
  VirtualClock();
  VirtualClock(const VirtualClock&) = delete;
  VirtualClock& operator=(const VirtualClock&) = delete;
  ~VirtualClock();
  /// Never backwards.
  static void advance_to(std::int64_t now_ns);
};

}  // namespace grit::testing
