#include "harness/os/storage.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/statfs.h>

#include <cstring>

namespace grit {
namespace {

Result<struct statfs> file_system_of(const std::string& directory) {
  struct statfs found {};
  if (::statfs(directory.c_str(), &found) != 0)
    return unavailable_error(fmt::format("{}: {}", directory, std::strerror(errno)));
  return found;
}

}  // namespace

Result<DiskSpace> disk_space(const std::string& directory) {
  GRIT_TRY(const struct statfs found, file_system_of(directory));
  const auto block = static_cast<std::int64_t>(found.f_frsize);
  return DiskSpace{static_cast<std::int64_t>(found.f_blocks) * block,
                   static_cast<std::int64_t>(found.f_bavail) * block};
}

std::optional<std::string> why_no_disk(const std::string& directory) {
  const auto found = file_system_of(directory);
  if (!found) return found.error().message;
  if (found->f_type == TMPFS_MAGIC || found->f_type == RAMFS_MAGIC)
    return directory + " lies in memory (tmpfs), and no disk would be touched: give a directory on a disk";
  return std::nullopt;
}

Result<Fd> open_unnamed_file(const std::string& directory, bool direct) {
  const int flags = O_TMPFILE | O_RDWR | O_CLOEXEC | (direct ? O_DIRECT : 0);
  Fd file(::open(directory.c_str(), flags, 0600));
  if (file) return file;
  if (errno == EOPNOTSUPP || errno == EISDIR)
    return unavailable_error("the file system of " + directory +
                             " knows no files without a name (O_TMPFILE): give a directory on a local disk");
  if (errno == EINVAL && direct)
    return unavailable_error("the file system of " + directory + " cannot write past the page cache (O_DIRECT)");
  return unavailable_error(fmt::format("cannot make a file in {}: {}", directory, std::strerror(errno)));
}

}  // namespace grit
