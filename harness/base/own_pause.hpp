// Who waits for signs of others must not count the time in which it could not listen itself: a stopped process, a
// paused virtual machine, a whole machine that stood still.
#pragma once

#include <algorithm>
#include <cstdint>

#include "harness/base/clock.hpp"

namespace grit {

/// The bound of a loop that goes around once a second or oftener.
constexpr std::int64_t kOwnPause_ns = 2 * kNsPerS;

/// Notices by the gaps between the turns of a loop that the loop itself was paused.
class OwnPause {
 public:
  /// A gap between two turns that is longer than `bound_ns` is a pause: well above what one turn may take.
  explicit OwnPause(std::int64_t bound_ns) : bound_ns_(bound_ns) {}

  /// Once a turn, before anything is judged by silence_ns().
  void turn(std::int64_t now_ns) {
    if (last_turn_ns_ != 0 && now_ns - last_turn_ns_ > bound_ns_) resumed_ns_ = now_ns;
    last_turn_ns_ = now_ns;
  }

  /// For how long nothing has come since `since_ns`: counted from the end of the last pause where that was later, so
  /// that everybody has his full patience again.
  [[nodiscard]] std::int64_t silence_ns(std::int64_t since_ns, std::int64_t now_ns) const {
    return now_ns - std::max(since_ns, resumed_ns_);
  }

 private:
  std::int64_t bound_ns_;
  std::int64_t last_turn_ns_ = 0;  // 0: none yet
  std::int64_t resumed_ns_ = 0;    // 0: never paused
};

}  // namespace grit
