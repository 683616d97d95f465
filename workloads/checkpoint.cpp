#include "workloads/checkpoint.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace grit {
namespace {

constexpr std::int64_t kChunk_bytes = 1 << 20;

Failure io_error(std::string_view what, const std::filesystem::path& path, int error_number) {
  return unavailable_error(fmt::format("cannot {} the checkpoint {}: {}; free space there, or choose another directory",
                                       what, path.string(), std::strerror(error_number)));
}

}  // namespace

Result<CheckpointFile> CheckpointFile::create(const std::filesystem::path& directory, int rank, std::int64_t bytes) {
  const auto path = directory / fmt::format("checkpoint-rank{}.bin", rank);
  // On other nodes than the first nobody has made it; what fails here fails below, with a better message.
  std::error_code ignored;
  std::filesystem::create_directories(directory, ignored);
  Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  if (!fd) return io_error("open", path, errno);
  return CheckpointFile(std::move(fd), path, bytes);
}

Status CheckpointFile::write(std::span<const std::byte> state) {
  const auto state_bytes = static_cast<std::int64_t>(state.size());
  for (std::int64_t done = 0; done < bytes_;) {
    const std::int64_t from = done % state_bytes;
    const std::int64_t piece = std::min({kChunk_bytes, bytes_ - done, state_bytes - from});
    const ssize_t written = ::pwrite(fd_.get(), state.data() + from, static_cast<std::size_t>(piece), done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return io_error("write", path_, errno);
    done += written;
  }
  if (::fdatasync(fd_.get()) != 0) return io_error("flush", path_, errno);
  return {};
}

}  // namespace grit
