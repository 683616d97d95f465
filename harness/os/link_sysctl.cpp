#include "harness/os/link_sysctl.hpp"

#include <fcntl.h>

#include <charconv>
#include <filesystem>

#include "harness/base/fd.hpp"
#include "harness/base/files.hpp"

namespace grit {
namespace {

std::filesystem::path sysctl_path(const std::string& interface, const std::string& name) {
  return std::filesystem::path("/proc/sys/net/ipv6/conf") / interface / name;
}

}  // namespace

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
