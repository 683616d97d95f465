#include "harness/os/link_sysctl.hpp"

#include <fcntl.h>

#include <charconv>
#include <filesystem>
#include <optional>
#include <set>
#include <string_view>

#include "harness/base/fd.hpp"
#include "harness/base/files.hpp"

namespace grit {
namespace {

std::filesystem::path sysctl_path(const std::string& interface, const std::string& name) {
  return std::filesystem::path("/proc/sys/net/ipv6/conf") / interface / name;
}

/// /proc/sys/net/ipv6/conf/eth0/hop_limit for "conf/hop_limit".
std::filesystem::path setting_path(const std::string& interface, const std::string& name) {
  const auto slash = name.find('/');
  return std::filesystem::path("/proc/sys/net/ipv6") / name.substr(0, slash) / interface / name.substr(slash + 1);
}

std::optional<std::int64_t> read_number(const std::filesystem::path& path) {
  const auto text = read_file(path, 64);
  if (!text) return std::nullopt;
  std::string_view digits = *text;
  while (!digits.empty() && digits.back() == '\n') digits.remove_suffix(1);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

}  // namespace

std::map<std::string, std::int64_t> read_all_ipv6_settings(const std::string& interface) {
  std::map<std::string, std::int64_t> values;
  for (const std::string directory : {"conf", "neigh"}) {
    std::error_code error;
    const auto path = std::filesystem::path("/proc/sys/net/ipv6") / directory / interface;
    for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
      const auto mode = entry.status(error).permissions();
      if ((mode & std::filesystem::perms::owner_write) == std::filesystem::perms::none) continue;
      const std::string name = directory + "/" + entry.path().filename().string();
      if (!is_ipv6_setting(name)) continue;
      if (const auto value = read_number(entry.path())) values[name] = *value;
    }
  }
  return values;
}

Status write_ipv6_settings(const std::string& interface, const std::map<std::string, std::int64_t>& values) {
  for (const auto& [name, value] : values) {
    const auto path = setting_path(interface, name);
    const auto now = read_number(path);
    if (!now || *now == value) continue;
    const Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd) return errno_error("cannot open " + path.string());
    if (auto written = write_all(fd.get(), std::to_string(value)); !written)
      return with_context(written.error(), path.string());
  }
  return {};
}

bool is_ipv6_setting(const std::string& name) {
  const auto slash = name.find('/');
  if (slash == std::string::npos || (name.substr(0, slash) != "conf" && name.substr(0, slash) != "neigh")) return false;
  const std::string leaf = name.substr(slash + 1);
  // The _jiffies and the older second ones are other views of the _ms ones; each would round what the other has set.
  static const std::set<std::string> views{"retrans_time", "base_reachable_time", "unres_qlen"};
  return !leaf.empty() && leaf.size() <= 64 && views.count(leaf) == 0 &&
         leaf.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos;
}

const std::vector<std::string>& link_sysctl_names() {
  static const std::vector<std::string> names{"accept_ra", "addr_gen_mode", "disable_ipv6"};
  return names;
}

std::map<std::string, std::int64_t> read_link_sysctls(const std::string& interface) {
  std::map<std::string, std::int64_t> values;
  for (const std::string& name : link_sysctl_names()) {
    const auto text = read_file(sysctl_path(interface, name), 64);
    std::int64_t value = 0;
    if (text && std::from_chars(text->data(), text->data() + text->size(), value).ec == std::errc{})
      values[name] = value;
  }
  return values;
}

Status write_link_sysctls(const std::string& interface, const std::map<std::string, std::int64_t>& values) {
  const auto now = read_link_sysctls(interface);
  for (const auto& [name, value] : values) {
    const auto found = now.find(name);
    if (found == now.end() || found->second == value) continue;
    const std::string path = sysctl_path(interface, name);
    const Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd) return errno_error("cannot open " + path);
    if (auto written = write_all(fd.get(), std::to_string(value)); !written) return with_context(written.error(), path);
  }
  return {};
}

}  // namespace grit
