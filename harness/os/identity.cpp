#include "harness/os/identity.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "harness/base/fd.hpp"
#include "harness/base/files.hpp"

namespace grit {
namespace {

std::string identity_of(const struct stat& file) { return fmt::format("{}:{}", file.st_dev, file.st_ino); }

}  // namespace

Result<std::string> boot_id() {
  GRIT_TRY(std::string id, read_file("/proc/sys/kernel/random/boot_id", 4096));
  id.erase(std::remove(id.begin(), id.end(), '\n'), id.end());
  return id;
}

Result<std::string> netns_id(int netns_fd) {
  struct stat file {};
  if (::fstat(netns_fd, &file) != 0) return errno_error("cannot identify the network namespace");
  return identity_of(file);
}

Result<std::string> netns_id() {
  const Fd fd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!fd) return errno_error("cannot open /proc/thread-self/ns/net");
  return netns_id(fd.get());
}

Result<std::optional<pid_t>> find_process_in_netns(const std::string& id) {
  std::error_code error;
  for (std::filesystem::directory_iterator entry("/proc", error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename();
    pid_t pid = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (parsed.ec != std::errc{} || parsed.ptr != name.data() + name.size()) continue;
    struct stat file {};
    // Other users' namespaces cannot be seen; nor could they be reverted in.
    if (::stat((entry->path() / "ns/net").c_str(), &file) == 0 && identity_of(file) == id) return pid;
  }
  if (error) return internal_error("cannot list /proc: " + error.message());
  return std::nullopt;
}

}  // namespace grit
