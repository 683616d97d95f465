#include "harness/os/cgroup.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <thread>
#include <vector>

#include "harness/base/clock.hpp"
#include "harness/base/fd.hpp"
#include "harness/base/files.hpp"
#include "harness/os/cgroup_files.hpp"
#include "harness/os/closed_object.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;
using cgroup_files::has_word;
using cgroup_files::write_setting;

constexpr std::string_view kPrefix = "grit-";
constexpr std::size_t kRandomDigits = 16;
constexpr std::size_t kMaxPath_bytes = 4096;
/// A process that is ending keeps its group busy for a moment.
constexpr std::int64_t kBusy_ns = kNsPerS;
constexpr auto kBusyStep = std::chrono::milliseconds(2);

std::string_view name_of(CgroupVersion version) {
  return version == CgroupVersion::v1 ? "control groups version 1" : "control groups version 2";
}

Result<fs::path> parent_directory(const CpuGroup& group) {
  return cgroup_files::directory_of(group.version, group.parent);
}

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

/// Why no threaded child can be made below this group of version 2 (cgroup-v2.rst, "Threads").
std::optional<std::string> why_no_threads(const fs::path& directory) {
  const auto controllers = read_file(directory / "cgroup.controllers");
  if (!controllers || !has_word(*controllers, "cpu"))
    return fmt::format("the cpu controller is not enabled for {} (cgroup.controllers)", directory.string());
  if (!is_there(directory / "cgroup.type")) return std::nullopt;  // the root group
  for (const char* domain_only : {"memory", "io", "hugetlb", "rdma", "misc"})
    if (has_word(read_file(directory / "cgroup.subtree_control").value_or(""), domain_only))
      return fmt::format("{} hands the {} controller on to its children", directory.string(), domain_only);
  std::error_code error;
  for (const auto& child : fs::directory_iterator(directory, error)) {
    const bool populated =
        read_file(child.path() / "cgroup.events").value_or("").find("populated 1") != std::string::npos;
    if (populated && read_file(child.path() / "cgroup.type").value_or("") == "domain\n")
      return fmt::format("{} has processes in child groups", directory.string());
  }
  return std::nullopt;
}

Result<std::string> new_name() {
  std::uint64_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != sizeof number) return errno_error("getrandom");
  return fmt::format("{}{:016x}", kPrefix, number);
}

bool is_our_name(std::string_view name) {
  if (!name.starts_with(kPrefix) || name.size() != kPrefix.size() + kRandomDigits) return false;
  name.remove_prefix(kPrefix.size());
  return name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_plain_path(const std::string& path) {
  return path.starts_with('/') && (path + "/").find("/../") == std::string::npos;
}

Status set_limit(const CpuGroup& group, const fs::path& directory, std::int64_t quota_ns, std::int64_t period_ns) {
  const std::int64_t quota_us = quota_ns / kNsPerUs, period_us = period_ns / kNsPerUs;
  if (group.version == CgroupVersion::v2)
    return write_setting(directory / "cpu.max", fmt::format("{} {}", quota_us, period_us));
  GRIT_CHECK(write_setting(directory / "cpu.cfs_period_us", fmt::format("{}", period_us)));
  return write_setting(directory / "cpu.cfs_quota_us", fmt::format("{}", quota_us));
}

/// The processes (version 1) or threads (version 2: a threaded group lists no processes) in a group.
Result<std::vector<pid_t>> members_of(const CpuGroup& group, const fs::path& directory) {
  const bool threads = group.version == CgroupVersion::v2;
  GRIT_TRY(const std::string text, read_file(directory / (threads ? "cgroup.threads" : "cgroup.procs")));
  std::vector<pid_t> members;
  const char* const end = text.data() + text.size();
  for (const char* at = text.data(); at < end; ++at) {
    pid_t pid = 0;
    const auto parsed = std::from_chars(at, end, pid);
    if (parsed.ec != std::errc{}) break;
    if (pid > 0) members.push_back(pid);  // 0: of another pid namespace; written back, it would mean ourselves
    at = parsed.ptr;
  }
  return members;
}

/// False: it is gone.
Result<bool> move_to(const CpuGroup& group, const fs::path& directory, pid_t id, bool one_thread) {
  const char* file = !one_thread ? "cgroup.procs" : group.version == CgroupVersion::v2 ? "cgroup.threads" : "tasks";
  const Fd fd(::open((directory / file).c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return errno_error(fmt::format("cannot open {}", (directory / file).string()));
  const std::string text = std::to_string(id);
  if (::write(fd.get(), text.data(), text.size()) >= 0) return true;
  if (errno == ESRCH) return false;
  return errno_error(fmt::format("cannot move process {} into the group {}", id, directory.string()));
}

Status empty_and_remove(const CpuGroup& group, const fs::path& parent, const fs::path& directory) {
  for (const std::int64_t deadline_ns = monotonic_ns() + kBusy_ns;;) {
    GRIT_TRY(const auto members, members_of(group, directory));
    for (const pid_t id : members) GRIT_CHECK(move_to(group, parent, id, group.version == CgroupVersion::v2));
    if (::rmdir(directory.c_str()) == 0 || errno == ENOENT) return {};
    if (errno != EBUSY || monotonic_ns() > deadline_ns)
      return errno_error(fmt::format("cannot remove the group {}", directory.string()));
    std::this_thread::sleep_for(kBusyStep);
  }
}

bool has_children(const fs::path& directory) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error))
    if (entry.is_directory(error)) return true;
  return false;
}

}  // namespace

Result<CpuGroup> plan_cpu_group(CgroupVersion version, pid_t pid) {
  CpuGroup group{.version = version};
  GRIT_TRY(group.parent, cgroup_files::group_of(version, pid));
  if (!is_plain_path(group.parent))
    return unavailable_error(fmt::format("the group of process {} lies outside what is mounted here", pid));
  GRIT_TRY(const fs::path directory, parent_directory(group));
  const fs::path procs = directory / "cgroup.procs";
  if (version == CgroupVersion::v2)
    if (const auto why = why_no_threads(directory))
      return unavailable_error(fmt::format("{}: {}", name_of(version), *why));
  if (::access(directory.c_str(), W_OK) != 0 || ::access(procs.c_str(), W_OK) != 0)
    return unavailable_error(fmt::format("{}: {} may not be written: run as root, or have it delegated",
                                         name_of(version), directory.string()));
  if (version == CgroupVersion::v2) {
    GRIT_TRY(const std::string handed_on, read_file(directory / "cgroup.subtree_control"));
    group.controller_on = has_word(handed_on, "cpu");
  }
  GRIT_TRY(group.name, new_name());
  return group;
}

Status make_cpu_group(const CpuGroup& group, std::int64_t quota_ns, std::int64_t period_ns) {
  GRIT_TRY(const fs::path parent, parent_directory(group));
  const fs::path directory = parent / group.name;
  if (::mkdir(directory.c_str(), 0755) != 0)
    return errno_error(fmt::format("cannot make the group {}", directory.string()));
  if (group.version == CgroupVersion::v2) {
    GRIT_CHECK(write_setting(directory / "cgroup.type", "threaded"));
    if (!group.controller_on) GRIT_CHECK(write_setting(parent / "cgroup.subtree_control", "+cpu"));
  }
  return set_limit(group, directory, quota_ns, period_ns);
}

Result<bool> enter_cpu_group(const CpuGroup& group, pid_t pid) {
  GRIT_TRY(const fs::path parent, parent_directory(group));
  return move_to(group, parent / group.name, pid, false);
}

Result<bool> is_in_cpu_group(const CpuGroup& group, pid_t pid) {
  GRIT_TRY(const std::string now, cgroup_files::group_of(group.version, pid));
  return now == (group.parent == "/" ? "" : group.parent) + "/" + group.name;
}

Result<std::optional<CpuGroupState>> read_cpu_group(const CpuGroup& group) {
  GRIT_TRY(const fs::path parent, parent_directory(group));
  const fs::path directory = parent / group.name;
  if (!is_there(directory)) return std::nullopt;
  CpuGroupState state;
  GRIT_TRY(const std::string stat, read_file(directory / "cpu.stat"));
  if (group.version == CgroupVersion::v2) {
    state.throttled_ns = cgroup_files::value_of(stat, "throttled_usec") * kNsPerUs;
    GRIT_TRY(const std::string max, read_file(directory / "cpu.max"));  // "50000 100000", "max 100000"
    const auto blank = max.find(' ');
    state.quota_ns = max.starts_with("max") ? -1 : cgroup_files::number(max) * kNsPerUs;
    state.period_ns = cgroup_files::number(max.substr(blank == std::string::npos ? max.size() : blank + 1)) * kNsPerUs;
  } else {
    state.throttled_ns = cgroup_files::value_of(stat, "throttled_time");
    GRIT_TRY(const std::string quota, read_file(directory / "cpu.cfs_quota_us"));
    GRIT_TRY(const std::string period, read_file(directory / "cpu.cfs_period_us"));
    state.quota_ns = cgroup_files::number(quota) * kNsPerUs;
    state.period_ns = cgroup_files::number(period) * kNsPerUs;
  }
  return state;
}

Status lift_cpu_limit(const CpuGroup& group) {
  GRIT_TRY(const fs::path parent, parent_directory(group));
  const fs::path directory = parent / group.name;
  if (!is_there(directory)) return {};
  if (group.version == CgroupVersion::v2) return write_setting(directory / "cpu.max", "max");
  return write_setting(directory / "cpu.cfs_quota_us", "-1");
}

Status remove_cpu_group(const CpuGroup& group) {
  GRIT_TRY(const fs::path parent, parent_directory(group));
  if (!is_there(parent)) return {};  // a group that has children cannot go
  const fs::path directory = parent / group.name;
  if (is_there(directory)) GRIT_CHECK(empty_and_remove(group, parent, directory));
  if (group.version == CgroupVersion::v1 || group.controller_on || has_children(parent)) return {};
  GRIT_TRY(const std::string handed_on, read_file(parent / "cgroup.subtree_control"));
  return has_word(handed_on, "cpu") ? write_setting(parent / "cgroup.subtree_control", "-cpu") : Status{};
}

Json to_json(const CpuGroup& group) {
  return Json{{"version", static_cast<int>(group.version)},
              {"parent", group.parent},
              {"name", group.name},
              {"controller_on", group.controller_on}};
}

Result<CpuGroup> cpu_group_from_json(const Json& json) {
  ClosedObject object(json, "control group");
  CpuGroup group;
  group.version = object.integer("version", 1, 2) == 1 ? CgroupVersion::v1 : CgroupVersion::v2;
  group.parent = object.text("parent", kMaxPath_bytes);
  group.name = object.text("name", 64);
  group.controller_on = object.boolean("controller_on");
  GRIT_CHECK(object.done());
  if (!is_plain_path(group.parent)) return usage_error(fmt::format("control group: bad parent \"{}\"", group.parent));
  if (!is_our_name(group.name)) return usage_error(fmt::format("control group: \"{}\" is none of ours", group.name));
  return group;
}

}  // namespace grit
