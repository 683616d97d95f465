// A micro-batch's way from the host to the device that works on it.
#pragma once

#include <cstdint>
#include <span>

#include "workloads/compute/device.hpp"

namespace grit {

/// By way of pinned memory, as PyTorch's DataLoader has it with pin_memory. Nothing where the device is the host.
class DeviceInput {
 public:
  /// Of micro-batches as TokenSource has them. `device` outlives this.
  DeviceInput(Device& device, int sequence);
  /// Returns when they are on the device. Errors: Device::status().
  void take(std::span<const std::uint32_t> tokens);

 private:
  Device& device_;
  DeviceBuffer pinned_;
  DeviceBuffer batch_;
};

}  // namespace grit
