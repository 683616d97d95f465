#include "workloads/device_input.hpp"

#include <algorithm>
#include <cstring>

namespace grit {

DeviceInput::DeviceInput(Device& device, int sequence) : device_(device) {
  if (device.is_host()) return;
  pinned_ = device.allocate_for_host((static_cast<std::size_t>(sequence) + 1) * sizeof(std::uint32_t));
  batch_ = device.allocate(pinned_.size());
}

void DeviceInput::take(std::span<const std::uint32_t> tokens) {
  const std::size_t bytes = std::min(tokens.size_bytes(), pinned_.size());
  if (bytes == 0) return;
  std::memcpy(pinned_.data(), tokens.data(), bytes);
  device_.load(batch_.data(), pinned_.data(), bytes);
}

}  // namespace grit
