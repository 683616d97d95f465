#include "workloads/kept_checkpoint.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

namespace grit {
namespace {

constexpr std::size_t kPiece_bytes = 1 << 20;
constexpr std::uint64_t kCheckpointMagic = 0x316b6863'74697267;  // "gritchk1"
constexpr std::uint64_t kPrime = 1099511628211;                  // of FNV-1a, 64 bits

struct Header {
  std::uint64_t magic = kCheckpointMagic;
  std::int64_t step = -1;
  std::int64_t rank = 0, ranks = 0;
  std::int64_t part_bytes = 0, file_bytes = 0;
  std::uint64_t checksum_of_part = 0, checksum_of_all = 0;
  std::uint64_t checksum_of_header = 0;  // of all above
};
static_assert(sizeof(Header) == 72);

std::uint64_t checksum_of_header(const Header& header) {
  return checksum_of(std::as_bytes(std::span(&header, 1)).first(offsetof(Header, checksum_of_header)));
}

std::filesystem::path file_of(const CheckpointPart& part, std::size_t which) {
  return part.directory / fmt::format("rank{}.{}", part.rank, which);
}

Failure io_error(std::string_view what, const CheckpointPart& part, int error_number) {
  return unavailable_error(
      fmt::format("cannot {} the checkpoint of rank {} in {}: {}; free space there, or choose "
                  "another run directory with --out",
                  what, part.rank, part.directory.string(), std::strerror(error_number)));
}

/// 0, or the errno that stopped it.
int write_at(int fd, std::span<const std::byte> bytes, std::int64_t offset, const std::stop_token& given_up) {
  while (!bytes.empty()) {
    if (given_up.stop_requested()) return ECANCELED;
    const ssize_t written = ::pwrite(fd, bytes.data(), std::min(bytes.size(), kPiece_bytes), offset);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += written;
  }
  return 0;
}

/// False: an error, or the file is shorter.
bool read_at(int fd, std::span<std::byte> bytes, std::int64_t offset) {
  while (!bytes.empty()) {
    const ssize_t got = ::pread(fd, bytes.data(), std::min(bytes.size(), kPiece_bytes), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(got));
    offset += got;
  }
  return true;
}

std::optional<Header> read_header(int fd) {
  Header header;
  if (!read_at(fd, std::as_writable_bytes(std::span(&header, 1)), 0)) return std::nullopt;
  if (header.magic != kCheckpointMagic || header.checksum_of_header != checksum_of_header(header)) return std::nullopt;
  return header;
}

/// Why the file is not what its header says; empty: it is. The part's first copy goes to `part`, the further ones are
/// held against it.
std::string read_body(int fd, const Header& header, std::span<std::byte> part) {
  if (!read_at(fd, part, sizeof(Header))) return "it cannot be read to its end";
  if (checksum_of(part) != header.checksum_of_part) return "its checksum is wrong";
  std::vector<std::byte> piece(std::min(part.size(), kPiece_bytes));
  for (std::int64_t done = header.part_bytes; done < header.file_bytes;) {
    const std::int64_t from = done % header.part_bytes;
    const auto bytes =
        std::min({static_cast<std::int64_t>(piece.size()), header.file_bytes - done, header.part_bytes - from});
    if (!read_at(fd, std::span(piece).first(static_cast<std::size_t>(bytes)),
                 static_cast<std::int64_t>(sizeof(Header)) + done))
      return "it cannot be read to its end";
    if (std::memcmp(piece.data(), part.data() + from, static_cast<std::size_t>(bytes)) != 0) return "its copies differ";
    done += bytes;
  }
  return {};
}

/// The same of a header that may be anybody's: a length that the file does not have is not allocated.
std::string why_not_whole(int fd, const Header& header, const CheckpointPart& part) {
  if (header.rank != part.rank || header.ranks != part.ranks)
    return fmt::format("it is of rank {} of {}", header.rank, header.ranks);
  struct stat status {};
  if (::fstat(fd, &status) != 0) return std::strerror(errno);
  if (header.part_bytes < 0 || header.part_bytes > header.file_bytes ||
      (header.part_bytes == 0 && header.file_bytes > 0) || header.file_bytes > status.st_size)
    return fmt::format("it has {} bytes of {}", status.st_size, header.file_bytes);
  std::vector<std::byte> bytes(static_cast<std::size_t>(header.part_bytes));
  return read_body(fd, header, bytes);
}

Fd open_to_read(const CheckpointPart& part, std::size_t which) {
  return Fd(::open(file_of(part, which).c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
}

}  // namespace

std::uint64_t checksum_of(std::span<const std::byte> bytes) {
  constexpr std::size_t kLanes = 4, kWord = sizeof(std::uint64_t);
  std::array<std::uint64_t, kLanes> lanes{14695981039346656037U, 1, 2, 3};
  std::array<std::uint64_t, kLanes> words{};
  std::size_t at = 0;
  for (; at + sizeof words <= bytes.size(); at += sizeof words) {
    std::memcpy(words.data(), bytes.data() + at, sizeof words);
    for (std::size_t i = 0; i < kLanes; ++i) lanes[i] = (lanes[i] ^ words[i]) * kPrime;
  }
  for (; at < bytes.size(); at += kWord) {
    words[0] = 0;
    std::memcpy(words.data(), bytes.data() + at, std::min(kWord, bytes.size() - at));
    lanes[0] = (lanes[0] ^ words[0]) * kPrime;
  }
  std::uint64_t sum = (lanes[0] ^ bytes.size()) * kPrime;
  for (std::size_t i = 1; i < kLanes; ++i) sum = (sum ^ lanes[i]) * kPrime;
  return sum;
}

Result<KeptCheckpoint> KeptCheckpoint::open(const CheckpointPart& part, std::int64_t file_bytes, std::int64_t taken_up,
                                            std::size_t file_count) {
  GRIT_ASSERT(file_count >= kCheckpointFiles && file_count <= kMostCheckpointFiles);
  std::vector<Fd> files(file_count);
  std::size_t next = 0;
  for (std::size_t which = 0; which < files.size(); ++which) {
    files[which].reset(::open(file_of(part, which).c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!files[which]) return io_error("make", part, errno);
    const auto header = read_header(files[which].get());
    if (taken_up >= 0 && header && header->step == taken_up) next = (which + 1) % files.size();
  }
  const Fd directory(::open(part.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory || ::fsync(directory.get()) != 0) return io_error("keep the names of", part, errno);
  return KeptCheckpoint(part, file_bytes, std::move(files), next);
}

Status KeptCheckpoint::write(std::int64_t step, std::span<const std::byte> part, std::uint64_t checksum_of_all,
                             const std::stop_token& given_up) {
  const auto part_bytes = static_cast<std::int64_t>(part.size());
  Header header{.step = step,
                .rank = part_.rank,
                .ranks = part_.ranks,
                .part_bytes = part_bytes,
                .file_bytes = part_bytes == 0 ? 0 : std::max(file_bytes_, part_bytes),
                .checksum_of_part = checksum_of(part),
                .checksum_of_all = checksum_of_all};
  header.checksum_of_header = checksum_of_header(header);
  const int fd = files_[next_].get();
  // Until all is written the new header stands before some of the old part, which its checksum tells.
  int error = write_at(fd, std::as_bytes(std::span(&header, 1)), 0, given_up);
  for (std::int64_t done = 0; done < header.file_bytes && error == 0; done += part_bytes)
    error = write_at(fd, part.first(static_cast<std::size_t>(std::min(part_bytes, header.file_bytes - done))),
                     static_cast<std::int64_t>(sizeof header) + done, given_up);
  if (error != 0) return io_error("write", part_, error);
  if (::fdatasync(fd) != 0) return io_error("flush", part_, errno);
  next_ = (next_ + 1) % files_.size();
  return {};
}

std::vector<SavedPart> saved_parts(const CheckpointPart& part) {
  std::vector<SavedPart> found;
  for (std::size_t which = 0; which < kMostCheckpointFiles; ++which) {
    const Fd file = open_to_read(part, which);
    struct stat status {};
    if (!file || ::fstat(file.get(), &status) != 0 || status.st_size == 0) continue;
    const auto header = read_header(file.get());
    if (header)
      found.push_back({header->step, why_not_whole(file.get(), *header, part)});
    else
      found.push_back({-1, "its header is damaged"});
  }
  return found;
}

Result<std::uint64_t> read_part(const CheckpointPart& part, std::int64_t step, std::span<std::byte> bytes) {
  const auto fail = [&](std::string_view why) {
    return unavailable_error(fmt::format("the checkpoint of step {} of rank {} in {} cannot be used: {}", step,
                                         part.rank, part.directory.string(), why));
  };
  for (std::size_t which = 0; which < kMostCheckpointFiles; ++which) {
    const Fd file = open_to_read(part, which);
    const auto header = file ? read_header(file.get()) : std::nullopt;
    if (!header || header->step != step) continue;
    if (header->part_bytes != static_cast<std::int64_t>(bytes.size()))
      return fail(fmt::format("it has {} bytes, not {}", header->part_bytes, bytes.size()));
    if (const std::string problem = read_body(file.get(), *header, bytes); !problem.empty()) return fail(problem);
    return header->checksum_of_all;
  }
  return fail("there is none");
}

}  // namespace grit
