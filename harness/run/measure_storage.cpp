// storage.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>

#include "harness/base/clock.hpp"
#include "harness/base/fd.hpp"
#include "harness/os/storage.hpp"
#include "harness/run/measure_kinds.hpp"

namespace grit {
namespace {

constexpr std::size_t kAlignment_bytes = 4096;  // of what is written past the page cache: no block of a disk is larger
constexpr std::size_t kWrite_bytes = std::size_t{1} << 20;
constexpr int kPiecesOfFlush = 16;
constexpr std::int64_t kFile_bytes = std::int64_t{256} << 20;  // is then written over again
constexpr std::size_t kFewestFlushes = 5;

struct FreeMemory {
  void operator()(void* memory) const { std::free(memory); }
};
using AlignedBytes = std::unique_ptr<std::byte, FreeMemory>;

/// What it says of a write that failed: a full disk is the node's, and no failure of grit's.
Status write_at(const Fd& file, std::span<const std::byte> bytes, std::int64_t offset) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(file.get(), bytes.data(), bytes.size(), offset);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return unavailable_error(fmt::format("cannot write to the disk: {}", std::strerror(errno)));
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += written;
  }
  return {};
}

Status flush(const Fd& file) {
  if (::fdatasync(file.get()) == 0) return {};
  return unavailable_error(fmt::format("cannot flush the disk: {}", std::strerror(errno)));
}

double per_second(std::int64_t bytes, std::int64_t took_ns) {
  return static_cast<double>(bytes) * static_cast<double>(kNsPerS) / static_cast<double>(took_ns);
}

Result<double> write_rate(const Fd& file, std::span<const std::byte> piece, std::int64_t length_ns) {
  std::int64_t written_bytes = 0, took_ns = 0;
  const auto size = static_cast<std::int64_t>(piece.size());
  const std::int64_t began_ns = monotonic_ns();
  do {
    for (int i = 0; i < kPiecesOfFlush; ++i, written_bytes += size)
      GRIT_CHECK(write_at(file, piece, written_bytes % kFile_bytes));
    GRIT_CHECK(flush(file));
    took_ns = monotonic_ns() - began_ns;
  } while (took_ns < length_ns);
  return per_second(written_bytes, took_ns);
}

/// Median, in seconds.
Result<double> flush_time(const Fd& file, std::span<const std::byte> block, std::int64_t length_ns) {
  std::vector<std::int64_t> times_ns;
  const std::int64_t ends_ns = monotonic_ns() + length_ns;
  while (times_ns.size() < kFewestFlushes || monotonic_ns() < ends_ns) {
    GRIT_CHECK(write_at(file, block, 0));
    const std::int64_t began_ns = monotonic_ns();
    GRIT_CHECK(flush(file));
    times_ns.push_back(monotonic_ns() - began_ns);
  }
  const auto middle = times_ns.begin() + static_cast<std::ptrdiff_t>(times_ns.size() / 2);
  std::nth_element(times_ns.begin(), middle, times_ns.end());
  return static_cast<double>(*middle) / static_cast<double>(kNsPerS);
}

/// Empty: there is a disk, with room.
std::string why_not_measured(const std::string& directory) {
  if (const auto why = why_no_disk(directory)) return *why;
  const auto space = disk_space(directory);
  if (!space) return space.error().message;
  if (space->available_bytes < 2 * kFile_bytes)
    return fmt::format("{} has room for {} MiB only", directory, space->available_bytes >> 20);
  return "";
}

Status add_figures(const Fd& file, const MeasureHere& here, BurninLine& line) {
  const AlignedBytes memory(static_cast<std::byte*>(std::aligned_alloc(kAlignment_bytes, kWrite_bytes)));
  if (memory == nullptr) return unavailable_error("no memory");
  const std::span<std::byte> piece(memory.get(), kWrite_bytes);
  // Nothing that a disk or a file system could make small: the bits of a counter, stirred.
  std::uint64_t state = 1;
  for (std::byte& byte : piece) byte = static_cast<std::byte>((state = state * 6364136223846793005U + 1) >> 56U);
  GRIT_TRY(const double bytes_per_s, write_rate(file, piece, here.length_ns / 2));
  line.observations.push_back({.measure = "storage_write", .value = bytes_per_s});
  GRIT_TRY(const double flush_s, flush_time(file, piece.first(kAlignment_bytes), here.length_ns / 2));
  line.observations.push_back({.measure = "storage_sync", .value = flush_s});
  return {};
}

}  // namespace

BurninLine measure_storage(const MeasureHere& here) {
  BurninLine line{.host = here.host};
  const std::string directory = here.directory.string();
  if (const std::string why = why_not_measured(directory); !why.empty()) {
    line.skipped.push_back("storage: " + why);
    return line;
  }
  const auto file = open_unnamed_file(directory, true);
  if (!file) {
    line.skipped.push_back("storage: " + file.error().message);
    return line;
  }
  if (const Status done = add_figures(*file, here, line); !done)
    line.error = fmt::format("storage in {}: {}", directory, done.error().message);
  return line;
}

}  // namespace grit
