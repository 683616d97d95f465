#include "harness/os/rdma.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "harness/base/files.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

std::string line_of(const fs::path& file) {
  const std::string text = read_file(file).value_or("");
  return text.substr(0, text.find('\n'));
}

std::optional<int> number_in(const std::string& text) {
  int number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

std::vector<std::string> entries(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(directory, ignored)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

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
  for (const std::string& name : entries(all)) {
    RdmaDevice device{
        .name = name, .pci = target_name(all / name / "device"), .parent = line_of(all / name / "parent")};
    for (const std::string& port : entries(all / name / "ports"))
      if (const auto number = number_in(port))
        device.ports[*number] = line_of(all / name / "ports" / port / "link_layer");
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
  return number_in(line_of(sys / "bus/pci/devices" / pci / "net" / interface / "dev_port")).value_or(0);
}

PciFunction pci_function(const std::string& pci, const fs::path& sys) {
  if (pci.empty()) return {};
  const fs::path directory = sys / "bus/pci/devices" / pci;
  return {.numa_node = number_in(line_of(directory / "numa_node")).value_or(-1),
          .physical = target_name(directory / "physfn")};
}

}  // namespace grit
