// env/<node>.json.
#include <gnu/libc-version.h>
#include <sys/resource.h>
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

namespace fs = std::filesystem;

std::string first_line(const fs::path& file) {
  const auto text = read_file(file).value_or("");
  return text.substr(0, text.find('\n'));
}

/// The rest of the first line that begins with `key`, after blanks, ':' or '='; empty: there is none.
std::string value_after(const std::string& text, std::string_view key) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(key)) continue;
    const auto begin = line.find_first_not_of(" \t:=\"", key.size());
    if (begin == std::string::npos) return "";
    return line.substr(begin, line.find_last_not_of(" \t\"") + 1 - begin);
  }
  return "";
}

/// Names of the entries of a directory, sorted; none when it is not there.
std::vector<std::string> entries_of(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error))
    names.push_back(entry->path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

// Only what tunes the job; and of that nothing that may be a credential, such as SLURM_JWT.
Json job_variables() {
  static constexpr std::array kPrefixes{
      std::string_view("OMPI_"),     std::string_view("UCX_"),           std::string_view("NCCL_"),
      std::string_view("OMP_"),      std::string_view("OPENBLAS_"),      std::string_view("SLURM_"),
      std::string_view("PMIX_MCA_"), std::string_view("GOMP_"),          std::string_view("KMP_"),
      std::string_view("MKL_"),      std::string_view("CUDA_"),          std::string_view("MPI4PY_"),
      std::string_view("FI_"),       std::string_view("HWLOC_"),         std::string_view("MALLOC_"),
      std::string_view("LD_"),       std::string_view("GLIBC_TUNABLES"), std::string_view("NVIDIA_"),
      std::string_view("HSA_"),      std::string_view("NVSHMEM_")};
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
  cpu["microcode"] = value_after(read_file("/proc/cpuinfo").value_or(""), "microcode");
  cpu["lowest_khz"] = first_line(policy / "scaling_min_freq");
  cpu["highest_khz"] = first_line(policy / "scaling_max_freq");
  cpu["energy_preference"] = first_line(policy / "energy_performance_preference");
  cpu["boost"] = first_line("/sys/devices/system/cpu/cpufreq/boost");
  cpu["no_turbo"] = first_line("/sys/devices/system/cpu/intel_pstate/no_turbo");
  cpu["idle_driver"] = first_line("/sys/devices/system/cpu/cpuidle/current_driver");
  cpu["clocksource"] = first_line("/sys/devices/system/clocksource/clocksource0/current_clocksource");
  return cpu;
}

/// The board and its BIOS, as the firmware describes itself (SMBIOS); serial numbers are left out.
Json describe_firmware() {
  const fs::path dmi = "/sys/class/dmi/id";
  Json firmware = Json::object();
  constexpr std::array kFields{std::pair{"vendor", "sys_vendor"},         std::pair{"product", "product_name"},
                               std::pair{"board", "board_name"},          std::pair{"bios_vendor", "bios_vendor"},
                               std::pair{"bios_version", "bios_version"}, std::pair{"bios_date", "bios_date"},
                               std::pair{"bios_release", "bios_release"}};
  for (const auto& [name, file] : kFields) firmware[name] = first_line(dmi / file);
  return firmware;
}

/// Kernel settings that act on memory, scheduling and the network stack.
Json describe_settings() {
  Json settings = Json::object();
  for (const char* name : {"kernel/numa_balancing",
                           "kernel/sched_rt_runtime_us",
                           "kernel/sched_autogroup_enabled",
                           "kernel/tainted",
                           "kernel/watchdog",
                           "vm/swappiness",
                           "vm/zone_reclaim_mode",
                           "vm/overcommit_memory",
                           "vm/nr_hugepages",
                           "vm/dirty_ratio",
                           "vm/dirty_background_ratio",
                           "net/core/rmem_max",
                           "net/core/wmem_max",
                           "net/core/netdev_max_backlog",
                           "net/core/default_qdisc",
                           "net/core/busy_poll",
                           "net/ipv4/tcp_rmem",
                           "net/ipv4/tcp_wmem",
                           "net/ipv4/tcp_congestion_control",
                           "net/ipv4/tcp_mtu_probing",
                           "net/ipv4/tcp_sack"}) {
    std::string key = name;
    std::replace(key.begin(), key.end(), '/', '_');
    settings[key] = first_line(fs::path("/proc/sys") / name);
  }
  settings["transparent_hugepages_defrag"] = first_line("/sys/kernel/mm/transparent_hugepage/defrag");
  settings["swap_total"] = value_after(read_file("/proc/meminfo").value_or(""), "SwapTotal");
  return settings;
}

/// What the processor is protected from, and how: mitigations cost time.
Json describe_vulnerabilities() {
  const fs::path directory = "/sys/devices/system/cpu/vulnerabilities";
  Json found = Json::object();
  for (const std::string& name : entries_of(directory)) found[name] = first_line(directory / name);
  return found;
}

/// Versions of the loaded drivers of GPUs and NICs that name one.
Json describe_modules() {
  Json modules = Json::object();
  for (const char* name : {"nvidia", "nvidia_uvm", "nvidia_peermem", "gdrdrv", "amdgpu", "mlx5_core", "mlx5_ib",
                           "ib_core", "rdma_cm", "efa", "ena", "bnxt_en", "ice", "i40e", "irdma", "virtio_net"}) {
    const fs::path module = fs::path("/sys/module") / name;
    std::error_code error;
    if (!fs::exists(module, error)) continue;
    const std::string version = first_line(module / "version"), source = first_line(module / "srcversion");
    modules[name] = version.empty() ? (source.empty() ? "loaded" : source) : version;
  }
  return modules;
}

Json describe_infiniband() {
  const fs::path devices = "/sys/class/infiniband";
  Json found = Json::array();
  for (const std::string& name : entries_of(devices)) {
    Json device{{"name", name},
                {"firmware", first_line(devices / name / "fw_ver")},
                {"board", first_line(devices / name / "board_id")}};
    for (const std::string& port : entries_of(devices / name / "ports"))
      device["port" + port] = {{"rate", first_line(devices / name / "ports" / port / "rate")},
                               {"state", first_line(devices / name / "ports" / port / "state")},
                               {"link_layer", first_line(devices / name / "ports" / port / "link_layer")}};
    found.push_back(std::move(device));
  }
  return found;
}

std::string limit_text(decltype(RLIMIT_AS) resource) {
  rlimit limit{};
  if (::getrlimit(resource, &limit) != 0) return "";
  return limit.rlim_cur == RLIM_INFINITY ? "unlimited" : std::to_string(limit.rlim_cur);
}

/// What this process may use at most: its own limits and those of its control group (proc_pid_cgroup(5); only the group
/// itself, where it is mounted in the usual place).
Json describe_limits() {
  Json limits{{"locked_memory_bytes", limit_text(RLIMIT_MEMLOCK)},
              {"open_files", limit_text(RLIMIT_NOFILE)},
              {"stack_bytes", limit_text(RLIMIT_STACK)},
              {"address_space_bytes", limit_text(RLIMIT_AS)}};
  std::istringstream lines(read_file("/proc/self/cgroup").value_or(""));
  for (std::string line; std::getline(lines, line);) {  // "ID:CONTROLLERS:PATH"
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), group = line.substr(second + 2);
    const fs::path root = "/sys/fs/cgroup";
    const fs::path directory = (controllers.empty() ? root : root / controllers) / group;
    for (const char* file : {"cpu.max", "cpu.weight", "memory.max", "memory.high", "cpuset.cpus.effective",
                             "cpu.cfs_quota_us", "cpu.shares", "memory.limit_in_bytes"})
      if (const std::string value = first_line(directory / file); !value.empty()) limits[file] = value;
  }
  return limits;
}

/// Speed and width of a device's PCI Express link: a card that trained down is slower without any other sign.
Json describe_pci_link(const std::string& address) {
  const fs::path device = fs::path("/sys/bus/pci/devices") / address;
  return {{"speed", first_line(device / "current_link_speed")},
          {"width", first_line(device / "current_link_width")},
          {"numa_node", first_line(device / "numa_node")}};
}

void add_nic_settings(Json& nic, const std::string& name, const Ethtool& ethtool) {
  if (const auto settings = ethtool.coalescing(name))
    nic["coalescing"] = {{"rx_us", settings->rx_us},
                         {"rx_frames", settings->rx_frames},
                         {"tx_us", settings->tx_us},
                         {"tx_frames", settings->tx_frames},
                         {"adaptive_rx", settings->adaptive_rx},
                         {"adaptive_tx", settings->adaptive_tx}};
  if (const auto queues = ethtool.channels(name))
    nic["channels"] = {{"rx", queues->rx}, {"tx", queues->tx}, {"combined", queues->combined}};
  if (const auto pause = ethtool.pause_frames(name)) nic["pause_frames"] = {{"rx", pause->rx}, {"tx", pause->tx}};
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
  if (nic.contains("driver") && !nic["driver"]["bus"].get<std::string>().empty())
    nic["pci_link"] = describe_pci_link(nic["driver"]["bus"].get<std::string>());
  add_nic_settings(nic, link.name, ethtool);
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
  environment["firmware"] = describe_firmware();
  environment["settings"] = describe_settings();
  environment["vulnerabilities"] = describe_vulnerabilities();
  environment["modules"] = describe_modules();
  environment["infiniband"] = describe_infiniband();
  environment["limits"] = describe_limits();
  environment["versions"] = {{"libc", ::gnu_get_libc_version()},
                             {"distribution", value_after(read_file("/etc/os-release").value_or(""), "PRETTY_NAME")}};
  return environment;
}

}  // namespace grit
