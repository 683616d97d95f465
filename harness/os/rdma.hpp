// RDMA devices of this machine, as sysfs shows them (Documentation/ABI/stable/sysfs-class-infiniband).
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace grit {

struct RdmaDevice {
  std::string name{};                  // "mlx5_0"
  std::string pci{};                   // "0000:81:00.0"; empty: made by software
  std::string parent{};                // the interface below a device made by software (rxe, siw); else empty
  std::map<int, std::string> ports{};  // port number -> link layer: "Ethernet", "InfiniBand"
};

/// In the order of their names; empty where there is none. `sys` is where sysfs is mounted.
std::vector<RdmaDevice> rdma_devices(const std::filesystem::path& sys = "/sys");

/// The PCI address that a driver names as its bus (DriverInfo::bus); empty: it is of another bus.
std::string pci_address(const std::string& bus);

/// Which of its PCI function's ports an interface is, counted from 0.
int interface_port(const std::string& pci, const std::string& interface, const std::filesystem::path& sys = "/sys");

/// What sysfs says of a PCI device ("0000:81:00.0"); PCI devices belong to no network namespace.
struct PciFunction {
  int numa_node = -1;      // -1: not known
  std::string physical{};  // of a virtual function: the PCI address of its physical function
};
PciFunction pci_function(const std::string& pci, const std::filesystem::path& sys = "/sys");

}  // namespace grit
