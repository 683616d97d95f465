// The memory of a GPU, and the module's kernels on it.
#pragma once

#include <memory>

#include "workloads/compute/accelerator.hpp"
#include "workloads/compute/device.hpp"
#include "workloads/compute/device_events.hpp"

namespace grit {

/// A stream of its own has all that it is given, another one what is loaded.
class CudaDevice final : public Device {
 public:
  /// Error (unavailable): no memory, no stream.
  static Result<std::unique_ptr<CudaDevice>> make(std::shared_ptr<const Accelerator> accelerator);

  DeviceBuffer allocate(std::size_t bytes) override;
  DeviceBuffer allocate_for_host(std::size_t bytes) override;
  void fill(const Period& period, std::size_t place, std::byte* to, std::size_t count) override;
  Unlike compare(const Period& period, std::size_t place, const std::byte* values, std::size_t count) override;
  void update(float* weights, const std::byte* gradients, DataType type, std::size_t count, float rate) override;
  void flip(std::byte* at, std::byte mask) override;
  void to_host(void* to, const void* from, std::size_t bytes) override;
  void from_host(void* to, const void* from, std::size_t bytes) override;
  void load(void* to, const void* from, std::size_t bytes) override;
  [[nodiscard]] bool is_host() const override { return false; }
  [[nodiscard]] Status status() const override { return status_; }

  [[nodiscard]] const std::shared_ptr<const Accelerator>& accelerator() const { return accelerator_; }
  /// Of all of the rank's streams on this device: each event bounds its one clock.
  [[nodiscard]] DeviceEvents& events() { return events_; }
  /// What it is given here is done in its order.
  [[nodiscard]] const AcceleratorStream& stream() const { return stream_; }
  /// What `stream` is given from now on begins after all that this was given before.
  Status precede(const AcceleratorStream& stream);

 private:
  explicit CudaDevice(std::shared_ptr<const Accelerator> accelerator)
      : accelerator_(std::move(accelerator)), events_(accelerator_) {}

  /// The first error stays.
  bool note(const Status& done);
  bool note(std::int32_t code, const grit_why& why, std::string_view what) {
    return note(check_module(code, why, what));
  }
  DeviceBuffer allocate_kind(std::int32_t kind, std::size_t bytes);
  /// Waits until all that the stream was given is done.
  Status settle(const AcceleratorStream& stream);
  Status await(DeviceEvents::Mark mark);
  /// The period on the device, as it is now. Empty: the device failed.
  std::optional<grit_pattern> pattern_of(const Period& period, std::size_t place);
  bool copy(const AcceleratorStream& stream, void* to, const void* from, std::size_t bytes);

  std::shared_ptr<const Accelerator> accelerator_;
  AcceleratorStream stream_;
  AcceleratorStream loads_;
  AcceleratorMemory found_;
  DeviceEvents events_;
  Status status_;
};

}  // namespace grit
