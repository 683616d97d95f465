#include "injectors/disk_load.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "harness/os/storage.hpp"

namespace grit {
namespace {

constexpr std::int64_t kAlignment_bytes = 4096;  // what O_DIRECT asks for at most (open(2))
constexpr std::int64_t kFloor_bytes = std::int64_t{1} << 30;

std::int64_t disk_floor_bytes(const DiskSpace& space) { return std::max(kFloor_bytes, space.total_bytes / 20); }

}  // namespace

DiskFile::DiskFile(WorkerPage& page, const std::string& directory, std::int64_t size_bytes, std::int64_t block_bytes,
                   bool direct)
    : page_(page), size_bytes_(size_bytes / block_bytes * block_bytes), block_bytes_(block_bytes) {
  auto file = open_unnamed_file(directory, direct);
  if (!file) page.fail(file.error().message);
  file_ = std::move(*file);
  if (const int error = ::posix_fallocate(file_.get(), 0, size_bytes_); error != 0)
    page.fail(fmt::format("cannot take {} bytes in {}: {}", size_bytes_, directory, std::strerror(error)));
  void* memory = ::mmap(nullptr, static_cast<std::size_t>(block_bytes_), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) page.fail("cannot allocate a block");
  buffer_ = static_cast<char*>(memory);
  std::memset(buffer_, 0x5a, static_cast<std::size_t>(block_bytes_));
}

DiskFile::~DiskFile() { ::munmap(buffer_, static_cast<std::size_t>(block_bytes_)); }

std::int64_t DiskFile::advance() {
  if (next_ + block_bytes_ > size_bytes_) next_ = 0;
  const std::int64_t at = next_;
  next_ += block_bytes_;
  return at;
}

void DiskFile::write(std::int64_t at) {
  for (std::int64_t done = 0; done < block_bytes_;) {
    const auto n = ::pwrite(file_.get(), buffer_ + done, static_cast<std::size_t>(block_bytes_ - done), at + done);
    if (n <= 0 && errno != EINTR) page_.fail(fmt::format("pwrite: {}", std::strerror(errno)));
    if (n > 0) done += n;
  }
}

void DiskFile::read(std::int64_t at) {
  for (std::int64_t done = 0; done < block_bytes_;) {
    const auto n = ::pread(file_.get(), buffer_ + done, static_cast<std::size_t>(block_bytes_ - done), at + done);
    if (n <= 0 && errno != EINTR) page_.fail(fmt::format("pread: {}", std::strerror(errno)));
    if (n > 0) done += n;
  }
}

void DiskFile::sync() {
  if (::fdatasync(file_.get()) != 0) page_.fail(fmt::format("fdatasync: {}", std::strerror(errno)));
}

void DiskFile::drop(std::int64_t at) {
  // Only clean pages can be dropped.
  if (::sync_file_range(file_.get(), at, block_bytes_,
                        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER) != 0)
    sync();  // a file system without it
  static_cast<void>(::posix_fadvise(file_.get(), at, block_bytes_, POSIX_FADV_DONTNEED));
}

std::vector<ParamSpec> disk_params(std::int64_t size_bytes, std::int64_t block_bytes) {
  return {{"directory", Unit::text, "/var/tmp", "on which file system: a directory there; the file in it has no name"},
          {"size", Unit::bytes, size_bytes, "of all files together, gone round in", {}, 4096.0, {}},
          {"block", Unit::size_bytes, block_bytes, "of one read or write", {}, 4096.0, static_cast<double>(1 << 30)},
          {"rate", Unit::bits_per_s, 0, "of all threads, such as \"50MB/s\"; 0: as fast as it goes", {}, 0.0, {}},
          {"threads", Unit::count, 2, "how many processes share the work, each with its own file", {}, 1.0, 64.0}};
}

Status check_disk_params(const std::string& fault, const Params& params) {
  if (params.integer("block") % kAlignment_bytes != 0)
    return usage_error(fmt::format("{}: `block` must be a multiple of 4 KiB, such as \"1MiB\"", fault));
  if (params.integer("size") < params.integer("block") * params.integer("threads"))
    return usage_error(fmt::format("{}: `size` must be at least one `block` for each of `threads`", fault));
  return {};
}

std::optional<std::string> why_no_disk_load(const Params& params) {
  const std::string directory = params.text("directory");
  if (auto why = why_no_disk(directory)) return why;
  if (const auto file = open_unnamed_file(directory, false); !file) return file.error().message;
  const auto space = disk_space(directory);
  if (!space) return space.error().message;
  const std::int64_t leaves_bytes = space->available_bytes - params.integer("size");
  if (leaves_bytes >= disk_floor_bytes(*space)) return std::nullopt;
  return fmt::format("of {} bytes free in {} it would leave {}, and the floor is {}: give a smaller `size`",
                     space->available_bytes, directory, std::max<std::int64_t>(0, leaves_bytes),
                     disk_floor_bytes(*space));
}

}  // namespace grit
