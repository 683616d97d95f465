#include "harness/record/segment.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <new>
#include <string>
#include <utility>
#include <vector>

namespace grit {
namespace {

constexpr std::uint64_t kSegmentMagic = 0x32'67'65'73'74'69'72'67;  // "gritseg2" in memory

// An atomic with a lock inside would lock in one process only.
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::atomic<std::int64_t>::is_always_lock_free);
static_assert(std::atomic<std::uint32_t>::is_always_lock_free && std::atomic<std::int32_t>::is_always_lock_free);
static_assert(std::atomic<RankEnd>::is_always_lock_free && std::atomic<AgentDoing>::is_always_lock_free);
static_assert(std::is_trivially_destructible_v<RankSlot> && std::is_trivially_destructible_v<NodeControl>);

constexpr std::size_t kSlotsOffset =
    (sizeof(NodeControl) + alignof(RankSlot) - 1) / alignof(RankSlot) * alignof(RankSlot);

std::size_t segment_bytes(std::size_t local_ranks) { return kSlotsOffset + local_ranks * sizeof(RankSlot); }

Failure not_a_segment(std::string_view why) {
  return internal_error(
      fmt::format("this is not a grit segment: {}; do all processes of the node run the same grit?", why));
}

/// Maps with all pages present, so that a step takes no page fault on its first way around the ring.
Result<void*> map_shared(int fd, std::size_t bytes) {
  void* base = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
  if (base == MAP_FAILED) return errno_error("cannot map the node's shared memory");
  return base;
}

/// Paths under /proc of the descriptors with which a process has segments open. Error (unavailable): not permitted.
Result<std::vector<std::string>> segments_open_in(const std::string& process) {
  std::vector<std::string> found;
  std::error_code error;
  for (std::filesystem::directory_iterator entry("/proc/" + process + "/fd", error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code unreadable;
    const std::string target = std::filesystem::read_symlink(entry->path(), unreadable).string();
    if (target.starts_with("/memfd:grit-segment")) found.push_back(entry->path().string());
  }
  if (error == std::errc::permission_denied)
    return unavailable_error(fmt::format("process {} belongs to another user: run as root", process));
  return found;
}

Result<Segment> open_and_attach(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd) return errno_error("cannot open the shared memory at " + path);
  return Segment::attach(std::move(fd));
}

}  // namespace

std::string_view to_string(AgentDoing doing) {
  switch (doing) {
    case AgentDoing::waiting:
      return "waiting";
    case AgentDoing::arming:
      return "arming";
    case AgentDoing::applying_or_reverting:
      return "applying or reverting";
    case AgentDoing::ending_a_block:
      return "ending a block";
    case AgentDoing::ending:
      return "ending";
  }
  return "?";
}

Result<Segment> Segment::create(int local_ranks) {
  if (local_ranks < 1 || local_ranks > kMaxLocalRanks) {
    return usage_error(fmt::format("{} ranks on one node; grit can watch 1 to {}: start fewer ranks a node",
                                   local_ranks, kMaxLocalRanks));
  }
  Segment segment;
  segment.bytes_ = segment_bytes(static_cast<std::size_t>(local_ranks));
  segment.fd_ = Fd(::memfd_create("grit-segment", MFD_CLOEXEC));
  if (!segment.fd_) return errno_error("memfd_create");
  // Reserves the pages: without it, memory that runs out later would be a SIGBUS in a step.
  if (const int error = ::posix_fallocate(segment.fd_.get(), 0, static_cast<off_t>(segment.bytes_)); error != 0)
    return errno_error(fmt::format("cannot reserve {} bytes of shared memory", segment.bytes_), error);
  GRIT_TRY(segment.base_, map_shared(segment.fd_.get(), segment.bytes_));

  auto* control = ::new (segment.base_) NodeControl;
  auto* first = reinterpret_cast<RankSlot*>(static_cast<std::byte*>(segment.base_) + kSlotsOffset);
  for (int i = 0; i < local_ranks; ++i) ::new (first + i) RankSlot;
  control->local_ranks = static_cast<std::uint32_t>(local_ranks);
  control->magic = kSegmentMagic;
  return segment;
}

Result<Segment> Segment::attach(Fd fd) {
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return errno_error("cannot attach to the node's shared memory");
  const auto bytes = static_cast<std::size_t>(std::max<off_t>(status.st_size, 0));
  if (!S_ISREG(status.st_mode) || bytes < segment_bytes(1) || bytes > segment_bytes(kMaxLocalRanks))
    return not_a_segment(fmt::format("{} bytes", bytes));
  Segment segment;
  segment.bytes_ = bytes;
  segment.fd_ = std::move(fd);
  GRIT_TRY(segment.base_, map_shared(segment.fd_.get(), bytes));
  const NodeControl& control = segment.control();
  if (control.magic != kSegmentMagic) return not_a_segment("the mark at its start is missing");
  if (bytes != segment_bytes(control.local_ranks))
    return not_a_segment(fmt::format("{} bytes for {} ranks", bytes, control.local_ranks));
  return segment;
}

Result<Segment> Segment::of_process(int pid) {
  // The agent has that of its ranks open, and may look at its own descriptors where those of a rank are closed to it
  // (a program with file capabilities).
  for (const std::string& path : segments_open_in("self").value_or(std::vector<std::string>())) {
    auto own = open_and_attach(path);
    const auto is_rank = [pid](const RankSlot& slot) { return slot.pid == pid; };
    if (own && std::any_of(own->slots().begin(), own->slots().end(), is_rank)) return own;
  }
  GRIT_TRY(const auto paths, segments_open_in(std::to_string(pid)));
  if (paths.empty()) return usage_error(fmt::format("process {} is no rank of a run", pid));
  return open_and_attach(paths.front());
}

Segment::Segment(Segment&& other) noexcept
    : fd_(std::move(other.fd_)), base_(std::exchange(other.base_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

Segment& Segment::operator=(Segment&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(base_, other.base_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

Segment::~Segment() {
  if (base_ != nullptr) ::munmap(base_, bytes_);
}

NodeControl& Segment::control() const {
  GRIT_ASSERT(base_ != nullptr);
  return *static_cast<NodeControl*>(base_);
}

std::span<RankSlot> Segment::slots() const {
  auto* first = reinterpret_cast<RankSlot*>(static_cast<std::byte*>(base_) + kSlotsOffset);
  return {first, (bytes_ - kSlotsOffset) / sizeof(RankSlot)};
}

bool lease_overdue(const NodeControl& control, std::int64_t grace_ns, std::int64_t now_ns) {
  const std::int64_t deadline_ns = control.lease_deadline_ns.load();
  return deadline_ns != 0 && now_ns > deadline_ns + grace_ns;
}

std::int64_t note_end(RankSlot& slot, std::int64_t now_ns) {
  std::int64_t first_ns = 0;
  return slot.ended_ns.compare_exchange_strong(first_ns, now_ns) ? now_ns : first_ns;
}

}  // namespace grit
