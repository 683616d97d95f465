#include "harness/record/run_dir.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "harness/base/files.hpp"
#include "harness/base/shell_words.hpp"
#include "harness/os/trusted_path.hpp"
#include "harness/record/write_error.hpp"

namespace grit {
namespace {

/// The directories made so far; taken away again unless all went well.
class MadeDirectories {
 public:
  MadeDirectories() = default;
  MadeDirectories(const MadeDirectories&) = delete;
  MadeDirectories& operator=(const MadeDirectories&) = delete;
  ~MadeDirectories() {
    for (auto made = made_.rbegin(); made != made_.rend(); ++made) ::rmdir(made->c_str());
  }
  /// 0, or the errno of mkdir.
  int make(const std::filesystem::path& directory) {
    if (::mkdir(directory.c_str(), 0755) != 0) return errno;
    made_.push_back(directory);
    return 0;
  }
  void keep() { made_.clear(); }

 private:
  std::vector<std::filesystem::path> made_{};
};

Failure cannot_make(const std::filesystem::path& directory, int error_number) {
  const std::string what = "cannot make the run directory " + directory.string();
  if (error_number == ENOTDIR)
    return usage_error(what + ": a part of the path is a file, not a directory; choose another --out");
  Failure why = write_error(what, error_number);
  if (why.value().kind != ErrorKind::internal) return why;
  // Whatever it is, it is the place that does not bear a directory: /proc, a name that is too long.
  return unavailable_error(why.value().message + "; choose another --out");
}

Status make_parents(const std::filesystem::path& directory, MadeDirectories& made) {
  std::filesystem::path parent;
  for (const auto& part : directory.parent_path()) {
    parent /= part;
    std::error_code ignored;
    if (std::filesystem::is_directory(parent, ignored))
      continue;  // mkdir would answer EROFS or EACCES for some that exist
    const int error = made.make(parent);
    if (error == EEXIST && std::filesystem::is_directory(parent, ignored))
      continue;  // made by another process meanwhile
    if (error != 0) return cannot_make(directory, error == EEXIST ? ENOTDIR : error);
  }
  return {};
}

/// Writes and flushes a small file: only then does a full disk, a quota or an NFS server say so.
int try_to_write(const std::filesystem::path& directory) {
  const std::filesystem::path file = directory / ".space";
  const std::string bytes(64 * 1024, 'g');
  const Fd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) return errno;
  std::size_t done = 0;
  int error = 0;
  while (done < bytes.size() && error == 0) {
    const ssize_t written = ::write(fd.get(), bytes.data() + done, bytes.size() - done);
    if (written < 0 && errno != EINTR) error = errno;
    if (written > 0) done += static_cast<std::size_t>(written);
  }
  if (error == 0 && ::fsync(fd.get()) != 0) error = errno;
  ::unlink(file.c_str());
  return error;
}

/// Both as it is written, with its symbolic links, and where these lead.
Status check_above(const std::filesystem::path& directory) {
  std::error_code failed;
  const auto written = std::filesystem::absolute(directory, failed).lexically_normal();
  if (failed) return internal_error("cannot look at " + directory.string() + ": " + failed.message());
  for (const auto& path : {written, std::filesystem::weakly_canonical(written, failed)})
    if (const auto open = replaceable_by_all(path); !open.empty())
      return usage_error(
          fmt::format("everybody can replace what is in {0}, and root does not write below it: chmod +t {0}, or choose "
                      "another --out",
                      open.string()));
  return {};
}

}  // namespace

Status check_run_directory(const std::filesystem::path& directory) {
  struct stat found {};
  if (::geteuid() != 0) return {};
  if (::stat(directory.empty() ? "." : directory.c_str(), &found) != 0)
    return errno_error("cannot look at " + directory.string());
  if (found.st_uid != 0 && found.st_uid != kNobody)
    return usage_error(
        fmt::format("{} belongs to user {}, and root writes into directories of its own only: choose another --out, or "
                    "run grit as that user",
                    directory.string(), found.st_uid));
  if ((found.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return usage_error(
        fmt::format("others can write to {0}, and root does not write there: chmod go-w {0}, or choose "
                    "another --out",
                    directory.string()));
  return check_above(directory);
}

Status create_run_directory(const std::filesystem::path& directory) {
  std::filesystem::path path = directory.lexically_normal();
  if (!path.has_filename()) path = path.parent_path();  // "runs/x/"
  if (path.empty()) return usage_error("the run directory has no name; give one with --out DIR");
  if (::geteuid() == 0) GRIT_CHECK(check_above(path));
  MadeDirectories made;
  GRIT_CHECK(make_parents(path, made));
  const int error = made.make(path);
  if (error == EEXIST) {
    return usage_error(fmt::format("{} exists already; choose another --out, or read it with: grit report {}",
                                   path.string(), shell_word(path.string())));
  }
  if (error != 0) return cannot_make(path, error);
  for (const char* inside : {"env", "journal"})
    if (const int failed = made.make(path / inside); failed != 0) return cannot_make(path, failed);
  if (const int failed = try_to_write(path); failed != 0) return cannot_make(path, failed);
  made.keep();
  return {};
}

}  // namespace grit
