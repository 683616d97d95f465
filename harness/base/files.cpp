#include "harness/base/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "harness/base/fd.hpp"

namespace grit {

Result<std::string> read_file(const std::filesystem::path& path, std::size_t max_bytes) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return errno_error("cannot open " + path.string());
  // Most files are a number of /proc or /sys, and some readers read thousands of them.
  constexpr std::size_t kFirst_bytes = 4096;
  std::string bytes;
  for (std::size_t size = 0;;) {
    if (size == bytes.size()) bytes.resize(std::max(kFirst_bytes, 2 * size));
    const ssize_t got = ::read(fd.get(), bytes.data() + size, bytes.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error("cannot read " + path.string());
    size += static_cast<std::size_t>(got);
    if (size > max_bytes) return internal_error(path.string() + " is larger than expected");
    if (got > 0) continue;
    bytes.resize(size);
    return bytes;
  }
}

Status write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno_error("write failed");
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Status sync_directory(const std::filesystem::path& directory) {
  const Fd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return errno_error("cannot open directory " + directory.string());
  if (::fsync(fd.get()) != 0) return errno_error("cannot fsync directory " + directory.string());
  return {};
}

Fd open_plain_file(const std::filesystem::path& path, int flags, unsigned mode) {
  const std::filesystem::path parent = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  const Fd directory(::open(parent.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory) {
    if (errno == ENOTDIR && std::filesystem::is_symlink(parent)) errno = ELOOP;
    return {};
  }
  // Not cut short yet: it may turn out to be something else. A pipe would wait for its other end.
  Fd file(::openat(directory.get(), path.filename().c_str(), (flags & ~O_TRUNC) | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
                   mode));
  if (!file) return {};
  struct stat found {};
  if (::fstat(file.get(), &found) != 0) return {};
  if (!S_ISREG(found.st_mode) || found.st_nlink != 1) {
    errno = EPERM;
    return {};
  }
  if ((flags & O_TRUNC) != 0 && ::ftruncate(file.get(), 0) != 0) return {};
  return file;
}

Status write_file_durably(const std::filesystem::path& path, std::string_view bytes, std::optional<unsigned> mode) {
  const std::filesystem::path parent = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  const std::string name = path.filename().string(), temporary = name + ".tmp";
  const Fd directory(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return errno_error("cannot write " + path.string() + ": cannot open its directory");
  const auto fail = [&](Error error) -> Status {
    ::unlinkat(directory.get(), temporary.c_str(), 0);
    return with_context(std::move(error), "cannot write " + path.string());
  };
  // One that was killed half-way, or was put there by somebody: taken away, never written to.
  if (::unlinkat(directory.get(), temporary.c_str(), 0) != 0 && errno != ENOENT)
    return errno_error("cannot remove " + path.string() + ".tmp");
  Fd fd(::openat(directory.get(), temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!fd) return errno_error("cannot create " + path.string() + ".tmp");
  if (auto written = write_all(fd.get(), bytes); !written) return fail(written.error());
  if (mode && ::fchmod(fd.get(), *mode) != 0) return fail(errno_error("fchmod").value());
  if (::fsync(fd.get()) != 0) return fail(errno_error("fsync").value());
  fd.reset();
  if (::renameat(directory.get(), temporary.c_str(), directory.get(), name.c_str()) != 0)
    return fail(errno_error("rename").value());
  if (::fsync(directory.get()) != 0) return errno_error("cannot fsync directory " + parent.string());
  return {};
}

}  // namespace grit
