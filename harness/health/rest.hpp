// When something that failed is tried again: each try costs a process.
#pragma once

#include <algorithm>
#include <cstdint>

#include "harness/base/clock.hpp"

namespace grit {

/// A pause after a failure, 5 s long, and twice as long after each further one in a row, up to 5 min (grit's own
/// choice).
class Rest {
 public:
  void begin(std::int64_t now_ns) {
    length_ns_ = std::clamp(2 * length_ns_, kFirst_ns, kLongest_ns);
    until_ns_ = now_ns + length_ns_;
  }
  /// It went well: the next pause is the first one again.
  void forget() { *this = {}; }
  /// Until it may be tried again; 0: now.
  [[nodiscard]] std::int64_t left_ns(std::int64_t now_ns) const {
    return std::max<std::int64_t>(until_ns_ - now_ns, 0);
  }

 private:
  static constexpr std::int64_t kFirst_ns = 5 * kNsPerS, kLongest_ns = 300 * kNsPerS;

  std::int64_t length_ns_ = 0, until_ns_ = 0;
};

}  // namespace grit
