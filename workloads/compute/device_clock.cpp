#include "workloads/compute/device_clock.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace grit {

std::int64_t DeviceClock::drift_ns(std::int64_t elapsed_ns) {
  return std::llround(std::ceil(std::abs(static_cast<double>(elapsed_ns)) * kDrift));
}

void DeviceClock::bound(std::int64_t device_ns, std::int64_t issued_ns, std::int64_t seen_ns) {
  // What is told of an earlier time is widened to that of the interval, and else the interval to what is told.
  const std::int64_t drift = is_set_ ? drift_ns(device_ns - at_ns_) : 0;
  const bool is_earlier = is_set_ && device_ns < at_ns_;
  const std::int64_t own = is_earlier ? drift : 0, kept = is_earlier ? 0 : drift;
  const std::int64_t low_ns = issued_ns - device_ns - own, high_ns = seen_ns - device_ns + own;
  const std::int64_t narrowed_low_ns = std::max(low_ns, low_ns_ - kept);
  const std::int64_t narrowed_high_ns = std::min(high_ns, high_ns_ + kept);
  const bool agree = narrowed_low_ns <= narrowed_high_ns;
  if (is_set_ && !agree) ++contradictions_;
  low_ns_ = is_set_ && agree ? narrowed_low_ns : low_ns;
  high_ns_ = is_set_ && agree ? narrowed_high_ns : high_ns;
  if (!is_earlier) at_ns_ = device_ns;
  is_set_ = true;
}

std::int64_t DeviceClock::to_host(std::int64_t device_ns) const {
  return device_ns + low_ns_ + (high_ns_ - low_ns_) / 2;
}

std::int64_t DeviceClock::error_ns(std::int64_t device_ns) const {
  return (high_ns_ - low_ns_ + 1) / 2 + drift_ns(device_ns - at_ns_);
}

}  // namespace grit
