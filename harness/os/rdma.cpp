#include "harness/os/rdma.hpp"

#include <algorithm>
#include <optional>

#include "harness/os/kernel_text.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

/// The last part of what a link points to; empty when there is no such link.
std::string target_name(const fs::path& link) {
  std::error_code failed;
  const fs::path target = fs::read_symlink(link, failed);
  return failed ? std::string() : target.filename().string();
}

}  // namespace

std::vector<RdmaDevice> rdma_devices(const fs::path& sys) {
  const fs::path all = sys / "class/infiniband";
  std::vector<RdmaDevice> devices;
  for (const std::string& name : entries_of(all)) {
    RdmaDevice device{
        .name = name, .pci = target_name(all / name / "device"), .parent = first_line(all / name / "parent")};
    for (const std::string& port : entries_of(all / name / "ports"))
      if (const auto number = whole_number(port))
        device.ports[static_cast<int>(*number)] = first_line(all / name / "ports" / port / "link_layer");
    devices.push_back(std::move(device));
  }
  return devices;
}

std::string pci_address(const std::string& bus) {
  const bool pci = std::count(bus.begin(), bus.end(), ':') == 2 && std::count(bus.begin(), bus.end(), '.') == 1 &&
                   bus.find_first_not_of("0123456789abcdef:.") == std::string::npos;
  return pci ? bus : std::string();
}

int interface_port(const std::string& pci, const std::string& interface, const fs::path& sys) {
  return static_cast<int>(number_in(sys / "bus/pci/devices" / pci / "net" / interface / "dev_port").value_or(0));
}

PciFunction pci_function(const std::string& pci, const fs::path& sys) {
  if (pci.empty()) return {};
  const fs::path directory = sys / "bus/pci/devices" / pci;
  return {.numa_node = static_cast<int>(number_in(directory / "numa_node").value_or(-1)),
          .physical = target_name(directory / "physfn")};
}

}  // namespace grit
