#include "workloads/compute/device_events.hpp"

#include <algorithm>

#include "harness/base/clock.hpp"

namespace grit {
namespace {

// The runtime tells distances of events in milliseconds with 24 bits: up to a quarter of a second to 15 ns.
constexpr std::int64_t kFarthest_ns = 250 * kNsPerMs;
// In which the first events narrow the bounds: a job's warm-up.
constexpr std::int64_t kNarrowing_ns = kNsPerS;

}  // namespace

Result<std::uint32_t> DeviceEvents::free_event() {
  if (free_.empty()) {
    GRIT_TRY(AcceleratorEvent made, make_event(device_));
    events_.emplace_back().event = std::move(made);
    return static_cast<std::uint32_t>(events_.size() - 1);
  }
  const std::uint32_t index = free_.back();
  free_.pop_back();
  return index;
}

Result<DeviceEvents::Mark> DeviceEvents::mark(const AcceleratorStream& stream) {
  GRIT_TRY(const std::uint32_t index, free_event());
  Event& event = events_[index];
  event.is_in_use = true;
  event.device_ns.reset();
  event.issued_ns = monotonic_ns();
  grit_why why{};
  GRIT_CHECK(check_module(device_->table().event_record(event.event.get(), stream.get(), &why), why, "an event"));
  return Mark{index};
}

Status DeviceEvents::wait_on(const AcceleratorStream& stream, Mark mark) {
  grit_why why{};
  return check_module(device_->table().stream_wait(stream.get(), events_[mark.event].event.get(), &why), why,
                      "a stream's wait");
}

Result<bool> DeviceEvents::is_reached(Mark mark) {
  Event& event = events_[mark.event];
  if (event.device_ns) return true;
  grit_why why{};
  const std::int32_t code = device_->table().event_state(event.event.get(), &why);
  if (code == GRIT_PENDING) return false;
  GRIT_CHECK(check_module(code, why, device_->facts().name));
  const std::int64_t seen_ns = monotonic_ns();
  GRIT_TRY(event.device_ns, time_on_device(mark.event));
  last_ns_ = *event.device_ns;
  clock_.bound(last_ns_, event.issued_ns, seen_ns);
  if (first_seen_ns_ == 0) first_seen_ns_ = seen_ns;
  if (seen_ns - first_seen_ns_ > kNarrowing_ns) largest_error_ns_ = std::max(largest_error_ns_, error_ns());
  return true;
}

/// The first event is the zero of the device's clock. One that is far from the anchor becomes the anchor, so that the
/// next are near again; it is free when it was let go and is the anchor no more.
Result<std::int64_t> DeviceEvents::time_on_device(std::uint32_t index) {
  if (!anchor_) {
    anchor_ = index;
    return std::int64_t{0};
  }
  grit_why why{};
  std::int64_t elapsed_ns = 0;
  GRIT_CHECK(check_module(
      device_->table().event_elapsed(events_[*anchor_].event.get(), events_[index].event.get(), &elapsed_ns, &why), why,
      "the time of an event"));
  const std::int64_t device_ns = anchor_ns_ + elapsed_ns;
  if (elapsed_ns > kFarthest_ns) {
    if (!events_[*anchor_].is_in_use) free_.push_back(*anchor_);
    anchor_ = index;
    anchor_ns_ = device_ns;
  }
  return device_ns;
}

std::int64_t DeviceEvents::time_ns(Mark mark) const {
  const Event& event = events_[mark.event];
  GRIT_ASSERT(event.device_ns.has_value());
  return clock_.to_host(*event.device_ns);
}

void DeviceEvents::let_go(Mark mark) {
  events_[mark.event].is_in_use = false;
  if (anchor_ != mark.event) free_.push_back(mark.event);
}

}  // namespace grit
