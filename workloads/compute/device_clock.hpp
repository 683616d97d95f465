// When, on the host's clock, was an event reached that the device has timed on its own?
#pragma once

#include <cstdint>

namespace grit {

/// The distance of two clocks from bounds on both sides: an event that the host issued at a and saw reached at b was
/// reached between the two, whatever the ways of either took. All such bounds are kept as one interval, in which the
/// distance lies; it is widened with time by what the clocks may drift apart. Cristian's method (F. Cristian,
/// "Probabilistic clock synchronization", Distributed Computing 3, 1989) without its one exchange: any event serves.
class DeviceClock {
 public:
  /// Two quartzes of ±50 ppm each: what the device's and the host's may differ in rate.
  static constexpr double kDrift = 100e-6;

  /// One event, in any order. `device_ns`: its time on the device's clock, whose zero is anywhere. issued_ns ≤ seen_ns:
  /// the host's.
  void bound(std::int64_t device_ns, std::int64_t issued_ns, std::int64_t seen_ns);

  /// The middle of where that time of the device can be on the host's clock. After one bound() at least.
  [[nodiscard]] std::int64_t to_host(std::int64_t device_ns) const;
  /// By how much to_host() can be wrong at that time of the device.
  [[nodiscard]] std::int64_t error_ns(std::int64_t device_ns) const;
  [[nodiscard]] bool is_set() const { return is_set_; }
  /// How often bounds contradicted each other, so that the clocks drift faster than assumed or one was set: the
  /// interval then began anew with the latest.
  [[nodiscard]] std::int64_t contradictions() const { return contradictions_; }

 private:
  [[nodiscard]] static std::int64_t drift_ns(std::int64_t elapsed_ns);

  bool is_set_ = false;
  std::int64_t at_ns_ = 0;                 // of the device: when the interval held
  std::int64_t low_ns_ = 0, high_ns_ = 0;  // host - device
  std::int64_t contradictions_ = 0;
};

}  // namespace grit
