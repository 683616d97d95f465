#include "harness/agent/private_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <array>
#include <cstring>

#include "harness/agent/journal.hpp"
#include "harness/base/files.hpp"

namespace grit {
namespace {

constexpr mode_t kWritableByOthers = S_IWGRP | S_IWOTH;

}  // namespace

Status make_private_directory(const std::filesystem::path& directory) {
  struct stat file {};
  if (::stat(directory.c_str(), &file) == 0 && S_ISDIR(file.st_mode)) return {};
  const std::filesystem::path parent =
      directory.has_parent_path() ? directory.parent_path() : std::filesystem::path(".");
  if (parent != directory) GRIT_CHECK(make_private_directory(parent));
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    return unavailable_error(fmt::format("cannot make the directory {}: {}. Where it is for undo journals, {}",
                                         directory.string(), std::strerror(errno), other_journal_directory()));
  return sync_directory(parent);
}

Result<Fd> open_private_directory(const std::filesystem::path& directory, uid_t owner) {
  Fd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd)
    return usage_error(fmt::format("cannot open the directory {}: {}", directory.string(), std::strerror(errno)));
  struct stat file {};
  if (::fstat(fd.get(), &file) != 0) return errno_error("fstat");
  if (file.st_uid != owner && file.st_uid != 0)
    return usage_error(
        fmt::format("the directory {} belongs to user {}: only what lies in a directory of your own (or of root) is "
                    "trusted",
                    directory.string(), file.st_uid));
  if ((file.st_mode & kWritableByOthers) != 0)
    return usage_error(
        fmt::format("others can write to the directory {}: what is there is not trusted. Look at it, then chmod go-w "
                    "{}",
                    directory.string(), directory.string()));
  return fd;
}

Result<Fd> open_private_file(const Fd& directory, const std::filesystem::path& path, int flags, uid_t owner) {
  Fd fd(::openat(directory.get(), path.filename().c_str(), flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd && errno == ELOOP) return usage_error(path.string() + " is a symbolic link: it is not trusted");
  if (!fd) return usage_error(fmt::format("cannot open {}: {}", path.string(), std::strerror(errno)));
  struct stat file {};
  if (::fstat(fd.get(), &file) != 0) return errno_error("fstat");
  if (!S_ISREG(file.st_mode) || file.st_nlink != 1)
    return usage_error(path.string() + " is not a regular file with one name: it is not trusted");
  if (file.st_uid != owner)
    return usage_error(
        fmt::format("{} belongs to user {}, not to user {}: it is not trusted", path.string(), file.st_uid, owner));
  if ((file.st_mode & kWritableByOthers) != 0)
    return usage_error(
        fmt::format("others can write to {}: it is not trusted. Look at what is in it, then "
                    "chmod go-w {}",
                    path.string(), path.string()));
  return fd;
}

Result<std::string> read_all(int fd, std::size_t max_bytes) {
  std::string bytes;
  std::array<char, 65536> chunk{};
  for (;;) {
    const ssize_t got = ::pread(fd, chunk.data(), chunk.size(), static_cast<off_t>(bytes.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error("cannot read");
    if (got == 0) return bytes;
    bytes.append(chunk.data(), static_cast<std::size_t>(got));
    if (bytes.size() > max_bytes) return internal_error("it is larger than expected");
  }
}

}  // namespace grit
