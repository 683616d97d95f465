// Events of a device's streams, read late: each becomes a time of the host's clock when it was reached.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "harness/base/result.hpp"
#include "workloads/compute/accelerator.hpp"
#include "workloads/compute/device_clock.hpp"

namespace grit {

/// Makes its events once and uses them again. Of one thread. Neither marking nor reading waits for the device.
class DeviceEvents {
 public:
  /// An event under way; it stays somebody's until it was let go.
  struct Mark {
    std::uint32_t event = 0;
  };

  explicit DeviceEvents(std::shared_ptr<const Accelerator> device) : device_(std::move(device)) {}

  /// Will be reached when all that the stream was given before is done. Error: the device's.
  Result<Mark> mark(const AcceleratorStream& stream);
  /// What `stream` is given from now on begins after it.
  Status wait_on(const AcceleratorStream& stream, Mark mark);
  /// Is it reached? The first answer of yes bounds the device's clock, so ask as soon as the time matters.
  Result<bool> is_reached(Mark mark);
  /// When it was, on CLOCK_MONOTONIC. Of one that was reached.
  [[nodiscard]] std::int64_t time_ns(Mark mark) const;
  /// Nobody will ask for it any more.
  void let_go(Mark mark);

  /// Of times that are read now: by so much they can be wrong, beside the half microsecond of the device's own.
  [[nodiscard]] std::int64_t error_ns() const { return clock_.is_set() ? clock_.error_ns(last_ns_) : 0; }
  /// The largest of them since a second after the first event; before that, the one of now.
  [[nodiscard]] std::int64_t largest_error_ns() const { return largest_error_ns_ > 0 ? largest_error_ns_ : error_ns(); }
  /// The time of the device itself, from where its clock began. Of one that was reached.
  [[nodiscard]] std::int64_t device_time_ns(Mark mark) const { return *events_[mark.event].device_ns; }
  [[nodiscard]] const DeviceClock& clock() const { return clock_; }

 private:
  struct Event {
    AcceleratorEvent event{};
    std::int64_t issued_ns = 0;
    std::optional<std::int64_t> device_ns{};  // known when it was seen reached
    bool is_in_use = false;
  };

  Result<std::uint32_t> free_event();
  Result<std::int64_t> time_on_device(std::uint32_t index);

  std::shared_ptr<const Accelerator> device_;
  std::deque<Event> events_;
  std::vector<std::uint32_t> free_;
  std::optional<std::uint32_t> anchor_;  // times are counted from this one, whose own is anchor_ns_
  std::int64_t anchor_ns_ = 0;
  std::int64_t last_ns_ = 0;
  std::int64_t first_seen_ns_ = 0;  // of the host
  std::int64_t largest_error_ns_ = 0;
  DeviceClock clock_;
};

}  // namespace grit
