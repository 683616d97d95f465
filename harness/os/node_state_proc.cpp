// The parts of a node's state that proc(5) and cgroups(7) know.
#include <dirent.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <sstream>

#include "harness/base/files.hpp"
#include "harness/os/cpus.hpp"
#include "harness/os/interrupts.hpp"
#include "harness/os/node_state.hpp"
#include "harness/os/proc_stat.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCgroupRoot = "/sys/fs/cgroup";
constexpr std::string_view kOurPrefix = "grit";

/// What limits the processes of a group; version 2, then version 1. Counters are not among them.
constexpr std::array kLimits{"cpu.max",
                             "cpu.weight",
                             "cpuset.cpus",
                             "cpuset.mems",
                             "memory.max",
                             "memory.high",
                             "io.max",
                             "cgroup.freeze",
                             "cpu.cfs_quota_us",
                             "cpu.cfs_period_us",
                             "cpu.shares",
                             "memory.limit_in_bytes",
                             "blkio.throttle.read_bps_device",
                             "blkio.throttle.write_bps_device",
                             "freezer.state"};

std::string one_line(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ';');
  return text;
}

/// Names of a directory's entries that are directories themselves; sysfs, procfs and cgroupfs all tell the type.
std::vector<std::string> subdirectories(const fs::path& directory) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(directory.c_str()), ::closedir);
  if (!open) return names;
  while (const dirent* entry = ::readdir(open.get()))
    if (entry->d_type == DT_DIR && entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  return names;
}

void find_our_groups(const fs::path& group, StatePart& part) {
  for (const std::string& name : subdirectories(group)) {
    if (name.starts_with(kOurPrefix)) part.things[(group / name).string()] = "";
    find_our_groups(group / name, part);
  }
}

std::string affinity_of(int pid) {
  const auto cpus = affinity_of_thread(pid);
  return cpus ? to_list(*cpus) : "unknown";
}

/// Where the hierarchy of one line of /proc/PID/cgroup ("4:cpu,cpuacct:/path", "0::/path") is mounted by custom.
fs::path mount_of(std::string_view controllers) {
  const fs::path root(kCgroupRoot);
  std::error_code error;
  if (controllers.empty()) return fs::exists(root / "unified", error) ? root / "unified" : root;
  return root / (controllers.starts_with("name=") ? controllers.substr(5) : controllers);
}

std::string limits_of(const fs::path& group) {
  std::string text;
  for (const char* limit : kLimits)  // no group has them all
    if (auto value = read_file(group / limit)) text += fmt::format(" {}={}", limit, one_line(*value));
  return text;
}

void read_groups_of(int pid, const std::string& who, StatePart& part) {
  auto text = read_file(fmt::format("/proc/{}/cgroup", pid));
  if (!text) return;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), path = line.substr(second + 1);
    part.things[fmt::format("{} in group {}", who, controllers.empty() ? "v2" : controllers)] =
        path + limits_of(mount_of(controllers) / fs::path(path).relative_path());
  }
}

}  // namespace

namespace node_state {

Result<StatePart> read_cgroups() {
  std::error_code error;
  if (!fs::is_directory(kCgroupRoot, error)) return unavailable_error("no control groups are mounted");
  StatePart part;
  part.compare = StatePart::Compare::added;
  find_our_groups(kCgroupRoot, part);
  return part;
}

Result<StatePart> read_interrupts() {
  if (irqbalance_runs()) return unavailable_error("irqbalance moves them");
  StatePart part;
  part.compare = StatePart::Compare::common;
  for (const std::string& irq : subdirectories("/proc/irq"))
    if (auto cpus = read_file("/proc/irq/" + irq + "/smp_affinity_list")) part.things[irq] = "CPUs " + one_line(*cpus);
  return part;
}

}  // namespace node_state

NodeState read_process_state(std::span<const int> pids) {
  StatePart part;
  part.compare = StatePart::Compare::common;
  for (const int pid : pids) {
    const auto stat = read_proc_stat(pid);
    if (!stat || stat->state == 'Z' || stat->state == 'X') continue;
    const std::string who = fmt::format("process {} (started {})", pid, stat->start_ticks);
    part.things[who] = fmt::format("{}, CPUs {}, nice {}", stat->state == 'T' ? "stopped" : "not stopped",
                                   affinity_of(pid), ::getpriority(PRIO_PROCESS, static_cast<id_t>(pid)));
    read_groups_of(pid, who, part);
  }
  return {{"processes", std::move(part)}};
}

}  // namespace grit
