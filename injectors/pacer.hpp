// Work at a rate: how much is due, and waiting until some is.
#pragma once

#include <algorithm>
#include <cstdint>

#include "harness/base/clock.hpp"
#include "injectors/duty_cycle.hpp"

namespace grit {

/// For a worker that does its work in portions. What it could not keep up with for more than `kBacklog_ns` is
/// forgotten, so that no burst follows a time in which it got no CPU or the disk stood still.
class Pacer {
 public:
  /// 0: as fast as it goes.
  explicit Pacer(double per_s) : per_s_(per_s), next_ns_(monotonic_ns()) {}

  /// Returns when a portion is due.
  void wait(std::int64_t portion) {
    if (per_s_ <= 0) return;
    const std::int64_t now_ns = monotonic_ns();
    next_ns_ = std::max(next_ns_, now_ns - kBacklog_ns);
    if (next_ns_ > now_ns) sleep_until(next_ns_);
    next_ns_ += length_ns(portion);
  }

  /// The same without waiting: is one due?
  bool take(std::int64_t portion) {
    if (per_s_ <= 0) return true;
    const std::int64_t now_ns = monotonic_ns();
    next_ns_ = std::max(next_ns_, now_ns - kBacklog_ns);
    if (next_ns_ > now_ns) return false;
    next_ns_ += length_ns(portion);
    return true;
  }

 private:
  [[nodiscard]] std::int64_t length_ns(std::int64_t portion) const {
    return static_cast<std::int64_t>(1e9 * static_cast<double>(portion) / per_s_);
  }

  static constexpr std::int64_t kBacklog_ns = 100 * kNsPerMs;

  double per_s_;
  std::int64_t next_ns_;
};

}  // namespace grit
