#include "workloads/input_ring.hpp"

#include <fmt/format.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <utility>

#include "harness/base/clock.hpp"
#include "workloads/input_batch.hpp"

namespace grit {
namespace {

constexpr std::uint64_t kInputRingMagic = 0x3174757074697267;  // "gritput1"
/// How often one that waits for a place looks whether its rank still lives, which its death signal tells first.
constexpr std::int64_t kLookForRank_ns = kNsPerS;

std::size_t whole_pages(std::size_t bytes) {
  return (bytes + kInputAlignment_bytes - 1) / kInputAlignment_bytes * kInputAlignment_bytes;
}

}  // namespace

struct InputRing::Header {
  std::uint64_t magic = kInputRingMagic;
  InputShape shape{};
  pid_t owner = 0;
};

namespace {

std::size_t lanes_at() { return 256; }
std::size_t places_at(const InputShape& shape) {
  return whole_pages(lanes_at() + static_cast<std::size_t>(shape.workers) * sizeof(InputRing::Lane));
}

}  // namespace

std::int64_t InputRing::bytes_of(const InputShape& shape) {
  return static_cast<std::int64_t>(places_at(shape)) + shape.workers * shape.prefetch * shape.batch_bytes;
}

Result<InputRing> InputRing::create(const InputShape& shape) {
  static_assert(sizeof(Header) <= 256);
  Fd memory(::memfd_create("grit-input", MFD_CLOEXEC));
  if (!memory) return errno_error("memfd_create");
  const std::int64_t bytes = bytes_of(shape);
  if (::ftruncate(memory.get(), bytes) != 0) return errno_error("cannot size the data loader's memory");
  void* base = ::mmap(nullptr, static_cast<std::size_t>(bytes), PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
  if (base == MAP_FAILED) return errno_error("cannot map the data loader's memory");
  InputRing ring(std::move(memory), base, static_cast<std::size_t>(bytes));
  new (base) Header{.shape = shape, .owner = ::getpid()};
  for (std::int64_t worker = 0; worker < shape.workers; ++worker) new (&ring.lane(worker)) Lane;
  return ring;
}

Result<InputRing> InputRing::attach(Fd memory) {
  struct stat file {};
  if (::fstat(memory.get(), &file) != 0) return errno_error("no memory was inherited");
  const auto bytes = static_cast<std::size_t>(file.st_size);
  if (!S_ISREG(file.st_mode) || bytes < lanes_at()) return internal_error("what was inherited is no loader's memory");
  void* base = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
  if (base == MAP_FAILED) return errno_error("cannot map the data loader's memory");
  InputRing ring(std::move(memory), base, bytes);
  if (ring.header().magic != kInputRingMagic || bytes_of(ring.shape()) != file.st_size)
    return internal_error("what was inherited is no loader's memory");
  return ring;
}

InputRing::InputRing(InputRing&& other) noexcept
    : memory_(std::move(other.memory_)), base_(std::exchange(other.base_, nullptr)), bytes_(other.bytes_) {}

InputRing::~InputRing() {
  if (base_ != nullptr) ::munmap(base_, bytes_);
}

InputRing::Header& InputRing::header() const { return *reinterpret_cast<Header*>(base_); }
const InputShape& InputRing::shape() const { return header().shape; }
pid_t InputRing::owner() const { return header().owner; }

InputRing::Lane& InputRing::lane(std::int64_t worker) const {
  return reinterpret_cast<Lane*>(base_ + lanes_at())[worker];
}

std::span<std::uint64_t> InputRing::place(std::int64_t worker, std::uint32_t count) const {
  const InputShape& shape = header().shape;
  const std::int64_t number = worker * shape.prefetch + count % shape.prefetch;
  std::byte* at = base_ + places_at(shape) + number * shape.batch_bytes;
  return {reinterpret_cast<std::uint64_t*>(at), static_cast<std::size_t>(shape.batch_bytes) / sizeof(std::uint64_t)};
}

void wait_while(std::atomic<std::uint32_t>& word, std::uint32_t value, std::int64_t limit_ns) {
  const timespec limit{.tv_sec = limit_ns / kNsPerS, .tv_nsec = limit_ns % kNsPerS};
  if (word.load(std::memory_order_acquire) == value) ::syscall(SYS_futex, &word, FUTEX_WAIT, value, &limit, nullptr, 0);
}

void count_up(std::atomic<std::uint32_t>& word) {
  word.fetch_add(1, std::memory_order_release);
  ::syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

Status load_batch(int file, const InputShape& shape, std::uint64_t batch, std::span<std::uint64_t> words) {
  const auto bytes = static_cast<std::int64_t>(words.size_bytes());
  const std::int64_t from = static_cast<std::int64_t>(batch % static_cast<std::uint64_t>(shape.file_batches)) * bytes;
  const std::span<std::byte> raw = std::as_writable_bytes(words);
  for (std::int64_t done = 0; done < bytes;) {
    const ssize_t got = ::pread(file, raw.data() + done, static_cast<std::size_t>(bytes - done), from + done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return unavailable_error(fmt::format("cannot read the training data: {}", std::strerror(errno)));
    if (got == 0) return unavailable_error("cannot read the training data: the file ends too early");
    done += got;
  }
  recode(words, shape.passes);
  return {};
}

int input_worker_main(std::int64_t worker) {
  ::close_range(kInputFileFd + 1, ~0U, 0);  // whatever else was inherited is mpirun's, or another worker's
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_NAME, "grit-input");
  // Who ends the job tells its ranks, and this process goes with its own.
  for (const int ignored : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) ::signal(ignored, SIG_IGN);
  const auto ring = InputRing::attach(Fd(kInputRingFd));
  if (!ring || worker < 0 || worker >= ring->shape().workers) return static_cast<int>(ErrorKind::usage);
  const Fd file(kInputFileFd);
  const InputShape& shape = ring->shape();
  InputRing::Lane& lane = ring->lane(worker);
  for (std::uint32_t count = 0;; ++count) {
    for (;;) {
      if (::getppid() != ring->owner()) return 0;
      const std::uint32_t taken = lane.taken.load(std::memory_order_acquire);
      if (count - taken < static_cast<std::uint32_t>(shape.prefetch)) break;
      wait_while(lane.taken, taken, kLookForRank_ns);
    }
    const std::uint64_t batch = shape.first_batch +
                                static_cast<std::uint64_t>(count) * static_cast<std::uint64_t>(shape.workers) +
                                static_cast<std::uint64_t>(worker);
    if (const auto loaded = load_batch(file.get(), shape, batch, ring->place(worker, count)); !loaded) {
      loaded.error().message.copy(lane.error, sizeof lane.error - 1);
      return static_cast<int>(loaded.error().kind);
    }
    count_up(lane.made);
  }
}

}  // namespace grit
