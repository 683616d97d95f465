// The PCI Express link of a device, and errors on it, as sysfs shows them (Documentation/ABI/testing/sysfs-bus-pci and
// sysfs-bus-pci-devices-aer_stats).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace grit {

struct PciLink {
  int width = 0, max_width = 0;                       // lanes
  double speed_gt_per_s = 0, max_speed_gt_per_s = 0;  // 10^9 transfers a second and lane

  /// What it carries with its present width and speed; the unit is one bit/s of a lane, without its coding.
  [[nodiscard]] double bandwidth() const;
};

/// Is there a link that is the device's own? Those of a hypervisor or within the processor have none. `device` is a
/// directory of /sys/bus/pci/devices, here and below.
bool pci_has_link(const std::filesystem::path& device);

/// Empty: the kernel does not know it. The device must not be asleep: the question would wake it.
std::optional<PciLink> pci_link(const std::filesystem::path& device);

/// What such a width would be of these transfers a second.
double pci_bandwidth(int width, double speed_gt_per_s);

/// It is powered down for want of use.
bool pci_is_asleep(const std::filesystem::path& device);

/// It does not answer on the bus: every bit that is read from it is one.
bool pci_is_gone(const std::filesystem::path& device);

/// Is this the name of a directory of a PCI device ("0000:81:00.0")?
bool is_pci_address(const std::string& name);

/// Such a name as one number, not 0, for shared memory; 0: it is none.
std::uint64_t pci_number(const std::string& address);

/// Errors since it was plugged in.
struct PciErrors {
  std::int64_t replays = 0;  // what had to be sent again
  std::int64_t nonfatal = 0, fatal = 0;
};

/// Empty: the device does not report errors, or the firmware keeps them to itself.
std::optional<PciErrors> pci_errors(const std::filesystem::path& device);

}  // namespace grit
