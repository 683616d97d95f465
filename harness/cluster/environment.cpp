// env/<node>.json.
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <sstream>
#include <string_view>

#include "harness/base/files.hpp"
#include "harness/cluster/discovery.hpp"
#include "harness/os/ethtool.hpp"
#include "harness/os/netlink.hpp"

namespace grit {
namespace {

std::string first_line(const std::filesystem::path& file) {
  const auto text = read_file(file).value_or("");
  return text.substr(0, text.find('\n'));
}

// Only what tunes the job; and of that nothing that may be a credential, such as SLURM_JWT.
Json job_variables() {
  static constexpr std::array<std::string_view, 14> kPrefixes{"OMPI_",  "UCX_",      "NCCL_", "OMP_",  "OPENBLAS_",
                                                              "SLURM_", "PMIX_MCA_", "GOMP_", "KMP_",  "MKL_",
                                                              "CUDA_",  "MPI4PY_",   "FI_",   "HWLOC_"};
  static constexpr std::array<std::string_view, 6> kSecrets{"KEY", "TOKEN", "SECRET", "PASS", "JWT", "CRED"};
  Json found = Json::object();
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    const std::string text = *variable;
    const auto name = text.substr(0, text.find('='));
    const auto starts = [&](auto prefix) { return name.starts_with(prefix); };
    const auto contains = [&](auto word) { return name.find(word) != std::string::npos; };
    if (std::none_of(kPrefixes.begin(), kPrefixes.end(), starts)) continue;
    if (std::any_of(kSecrets.begin(), kSecrets.end(), contains) || name.size() == text.size()) continue;
    found[name] = text.substr(name.size() + 1);
  }
  return found;
}

Json describe_cpu(const Node& machine) {
  Json cpu{{"model", machine.cpu_model}, {"usable_cores", machine.cores}, {"numa_nodes", machine.numa_nodes}};
  cpu["online"] = first_line("/sys/devices/system/cpu/online");
  const auto policy = std::filesystem::path("/sys/devices/system/cpu/cpu0/cpufreq");
  cpu["governor"] = first_line(policy / "scaling_governor");  // empty: the kernel does not set the clock
  cpu["frequency_driver"] = first_line(policy / "scaling_driver");
  cpu["smt"] = first_line("/sys/devices/system/cpu/smt/control");
  return cpu;
}

Json describe_nic_hardware(const Link& link, const Ethtool& ethtool) {
  Json nic{{"name", link.name},
           {"kind", link.kind},
           {"mac", link.mac},
           {"mtu_bytes", link.mtu_bytes},
           {"operstate", link.operstate},
           {"speed_bits_per_s", ethtool.speed_bits_per_s(link.name)},
           {"features", ethtool.active_features(link.name)}};
  if (const auto driver = ethtool.driver(link.name))
    nic["driver"] = {
        {"name", driver->driver}, {"version", driver->version}, {"firmware", driver->firmware}, {"bus", driver->bus}};
  if (const auto rings = ethtool.rings(link.name))
    nic["rings"] = {{"rx", rings->rx}, {"rx_max", rings->rx_max}, {"tx", rings->tx}, {"tx_max", rings->tx_max}};
  return nic;
}

Json describe_nics() {
  Json nics = Json::array();
  auto netlink = Netlink::open();
  const auto ethtool = Ethtool::open();
  if (!netlink || !ethtool) return nics;
  const auto links = netlink->links();
  if (!links) return nics;
  for (const auto& link : *links) nics.push_back(describe_nic_hardware(link, *ethtool));
  return nics;
}

// Display controllers (class 03) and processing accelerators (12) on the PCI bus, whether or not a driver is loaded.
Json describe_gpus() {
  Json gpus = Json::array();
  std::error_code none;
  for (const auto& device : std::filesystem::directory_iterator("/sys/bus/pci/devices", none)) {
    const auto device_class = first_line(device.path() / "class");
    if (!device_class.starts_with("0x03") && !device_class.starts_with("0x12")) continue;
    std::error_code no_driver;
    const auto driver = std::filesystem::read_symlink(device.path() / "driver", no_driver).filename().string();
    gpus.push_back({{"pci", device.path().filename().string()},
                    {"class", device_class},
                    {"vendor", first_line(device.path() / "vendor")},
                    {"device", first_line(device.path() / "device")},
                    {"driver", driver}});
  }
  std::sort(gpus.begin(), gpus.end(), [](const Json& a, const Json& b) { return a["pci"] < b["pci"]; });
  return gpus;
}

// The cgroup versions that are mounted, with the v1 controllers; proc(5) mountinfo: "... - TYPE SOURCE OPTIONS".
Json describe_cgroups() {
  Json cgroups{{"v1_mounts", Json::array()}, {"v2_mount", ""}, {"v2_controllers", ""}};
  std::istringstream lines(read_file("/proc/self/mountinfo").value_or(""));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string word;
    std::string mount_point;
    for (int field = 0; field < 5 && words >> word; ++field) mount_point = word;
    if (line.find(" - cgroup2 ") != std::string::npos) {
      cgroups["v2_mount"] = mount_point;
      cgroups["v2_controllers"] = first_line(std::filesystem::path(mount_point) / "cgroup.controllers");
    } else if (line.find(" - cgroup ") != std::string::npos) {
      cgroups["v1_mounts"].push_back(mount_point);
    }
  }
  return cgroups;
}

}  // namespace

Json describe_environment() {
  const Node machine = describe_machine();
  utsname names{};
  ::uname(&names);
  Json environment{{"hostname", names.nodename}, {"architecture", names.machine}};
  environment["kernel"] = {
      {"release", names.release}, {"version", names.version}, {"command_line", first_line("/proc/cmdline")}};
  environment["cpu"] = describe_cpu(machine);
  environment["memory_bytes"] = machine.memory_bytes;
  environment["transparent_hugepages"] = first_line("/sys/kernel/mm/transparent_hugepage/enabled");
  environment["nics"] = describe_nics();
  environment["gpus"] = describe_gpus();
  environment["nvidia_driver"] = first_line("/proc/driver/nvidia/version");  // empty: not loaded
  environment["pressure_stall_information"] = ::access("/proc/pressure/cpu", R_OK) == 0;
  environment["cgroups"] = describe_cgroups();
  environment["variables"] = job_variables();
  return environment;
}

}  // namespace grit
