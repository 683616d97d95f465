#include "harness/os/cgroup_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <sstream>

#include "harness/base/fd.hpp"
#include "harness/base/files.hpp"

namespace grit::cgroup_files {
namespace {

/// "cpu,cpuacct" has "cpu".
bool has_item(std::string_view list, std::string_view item) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    if (list.substr(0, comma) == item) return true;
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
  }
  return false;
}

struct Mount {
  std::string root{};  // the group that shows at `point`
  std::string point{};
};

/// 36 35 98:0 /root /point options [tag]... - type source super-options
std::optional<Mount> mount_in(const std::string& line, CgroupVersion version, std::string_view controller) {
  const auto dash = line.find(" - ");
  if (dash == std::string::npos) return std::nullopt;
  std::istringstream before(line.substr(0, dash)), after(line.substr(dash + 3));
  std::string id, parent, device, type, source, super_options;
  Mount mount;
  if (!(before >> id >> parent >> device >> mount.root >> mount.point)) return std::nullopt;
  if (!(after >> type >> source >> super_options)) return std::nullopt;
  const bool wanted =
      version == CgroupVersion::v2 ? type == "cgroup2" : type == "cgroup" && has_item(super_options, controller);
  return wanted ? std::optional(mount) : std::nullopt;
}

std::optional<Mount> find_mount(CgroupVersion version, std::string_view controller, const std::string& mountinfo) {
  std::istringstream lines(mountinfo);
  for (std::string line; std::getline(lines, line);)
    if (auto mount = mount_in(line, version, controller)) return mount;
  return std::nullopt;
}

std::optional<std::string> find_group(CgroupVersion version, std::string_view controller, const std::string& cgroup) {
  std::istringstream lines(cgroup);
  for (std::string line; std::getline(lines, line);) {  // "4:cpu,cpuacct:/path", "0::/path"
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (version == CgroupVersion::v2 ? line.starts_with("0::") : has_item(controllers, controller))
      return line.substr(second + 1);
  }
  return std::nullopt;
}

/// Empty: the group lies outside of what is mounted.
std::optional<std::filesystem::path> directory_in(const Mount& mount, std::string_view group) {
  if (mount.root != "/") {
    if (!group.starts_with(mount.root) || (group.size() > mount.root.size() && group[mount.root.size()] != '/'))
      return std::nullopt;
    group.remove_prefix(mount.root.size());
  }
  while (group.starts_with('/')) group.remove_prefix(1);
  return group.empty() ? std::filesystem::path(mount.point) : std::filesystem::path(mount.point) / group;
}

constexpr std::string_view kCpu = "cpu";

}  // namespace

Result<std::string> group_of(CgroupVersion version, pid_t pid) {
  GRIT_TRY(const std::string text, read_file(fmt::format("/proc/{}/cgroup", pid)));
  if (auto group = find_group(version, kCpu, text)) return std::move(*group);
  return unavailable_error(version == CgroupVersion::v1 ? "this kernel has no cpu controller in version 1"
                                                        : "this kernel has no control groups version 2");
}

Result<std::filesystem::path> directory_of(CgroupVersion version, const std::string& group) {
  GRIT_TRY(const std::string text, read_file("/proc/self/mountinfo"));
  const auto mount = find_mount(version, kCpu, text);
  if (!mount)
    return unavailable_error(version == CgroupVersion::v1
                                 ? "the cpu controller of control groups version 1 is not mounted here"
                                 : "control groups version 2 are not mounted here");
  if (auto directory = directory_in(*mount, group)) return std::move(*directory);
  return unavailable_error(fmt::format("the control group {} lies outside what is mounted at {}", group, mount->point));
}

std::vector<std::filesystem::path> own_and_above(CgroupVersion version, std::string_view controller,
                                                 const std::string& cgroup, const std::string& mountinfo) {
  const auto group = find_group(version, controller, cgroup);
  const auto mount = find_mount(version, controller, mountinfo);
  if (!group || !mount) return {};
  // In a container whose mount was made by its host the path may be the host's: what is mounted is then its own group.
  auto directory = directory_in(*mount, *group).value_or(mount->point);
  std::vector<std::filesystem::path> directories{directory};
  for (const std::filesystem::path top = mount->point; directory != top && directory.has_relative_path();)
    directories.push_back(directory = directory.parent_path());
  return directories;
}

void follow_into_groups_of(pid_t pid) {
  const auto mountinfo = read_file("/proc/self/mountinfo");
  const auto own = read_file("/proc/self/cgroup");
  const auto wanted = read_file(fmt::format("/proc/{}/cgroup", pid));
  if (!mountinfo || !own || !wanted) return;
  std::istringstream lines(*wanted);
  for (std::string line; std::getline(lines, line);) {  // "4:cpu,cpuacct:/path", "0::/path"
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const auto version = controllers.empty() ? CgroupVersion::v2 : CgroupVersion::v1;
    const std::string controller = controllers.substr(0, controllers.find(','));
    const std::string group = line.substr(second + 1);
    const auto mount = find_mount(version, controller, *mountinfo);
    if (!mount || find_group(version, controller, *own) == group) continue;
    // "0": the process that writes (cgroups(7)).
    if (const auto directory = directory_in(*mount, group))
      static_cast<void>(write_setting(*directory / "cgroup.procs", "0"));
  }
}

Status write_setting(const std::filesystem::path& file, std::string_view value) {
  const Fd fd(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return errno_error(fmt::format("cannot open {}", file.string()));
  if (::write(fd.get(), value.data(), value.size()) >= 0) return {};
  return errno_error(fmt::format("cannot write \"{}\" to {}", value, file.string()));
}

bool has_word(std::string_view text, std::string_view word) {
  std::istringstream words{std::string(text)};
  for (std::string one; words >> one;)
    if (one == word) return true;
  return false;
}

std::int64_t number(std::string_view text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::int64_t value_of(std::string_view text, std::string_view key) {
  std::istringstream lines{std::string(text)};
  for (std::string name, value; lines >> name >> value;)
    if (name == key) return number(value);
  return 0;
}

}  // namespace grit::cgroup_files
