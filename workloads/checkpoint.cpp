#include "workloads/checkpoint.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "harness/os/storage.hpp"

namespace grit {
namespace {

constexpr std::int64_t kChunk_bytes = 1 << 20;

Failure io_error(std::string_view what, const std::filesystem::path& directory, int error_number) {
  return unavailable_error(
      fmt::format("cannot {} the checkpoint in {}: {}; free space there, or choose another directory", what,
                  directory.string(), std::strerror(error_number)));
}

/// For file systems without nameless files (NFS, Lustre): made under a name that nobody has, which goes at once.
Fd open_and_unlink(const std::filesystem::path& directory, int rank) {
  const auto path = directory / fmt::format("checkpoint-rank{}-{}.tmp", rank, ::getpid());
  Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (fd && ::unlink(path.c_str()) != 0) fd.reset();
  return fd;
}

}  // namespace

Result<CheckpointFile> CheckpointFile::create(const std::filesystem::path& directory, int rank, std::int64_t bytes) {
  auto nameless = open_unnamed_file(directory, false);
  Fd fd = nameless ? std::move(*nameless) : open_and_unlink(directory, rank);
  if (!fd) return io_error("make", directory, errno);
  return CheckpointFile(std::move(fd), directory, bytes);
}

Status CheckpointFile::write(std::span<const std::byte> state, const std::stop_token& given_up) {
  const auto state_bytes = static_cast<std::int64_t>(state.size());
  for (std::int64_t done = 0; done < bytes_ && !state.empty();) {
    if (given_up.stop_requested()) return io_error("write", directory_, ECANCELED);
    const std::int64_t from = done % state_bytes;
    const std::int64_t piece = std::min({kChunk_bytes, bytes_ - done, state_bytes - from});
    const ssize_t written = ::pwrite(fd_.get(), state.data() + from, static_cast<std::size_t>(piece), done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return io_error("write", directory_, errno);
    done += written;
  }
  if (::fdatasync(fd_.get()) != 0) return io_error("flush", directory_, errno);
  return {};
}

}  // namespace grit
