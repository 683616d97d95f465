// The plugin alone, called as NCCL calls it.
#include <dlfcn.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "harness/record/nccl_part.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"
#include "workloads/profiler/abi.hpp"
#include "workloads/profiler/operation_ring.hpp"
#include "workloads/profiler/part_writer.hpp"

extern "C" const grit::nccl::Profiler ncclProfiler_v5;

using namespace grit;
using test::TempDirectory;

namespace {

/// While set, writes of the plugin's thread do not come back: a file system that stands still.
std::atomic<bool> is_standing_still{false};
thread_local const bool is_of_test = [] {
  char name[16] = {};
  ::pthread_getname_np(::pthread_self(), name, sizeof name);
  return std::string_view(name) != "grit-profiler";
}();

}  // namespace

/// In the place of libc's, for this program.
extern "C" ssize_t write(int fd, const void* data, size_t bytes) {
  static const auto real = reinterpret_cast<ssize_t (*)(int, const void*, size_t)>(::dlsym(RTLD_NEXT, "write"));
  while (!is_of_test && is_standing_still) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return real(fd, data, bytes);
}

namespace {

/// One directory for the process, as for a job: the plugin opens its file once. A forked child leaves it.
class OwnDirectory {
 public:
  static const std::filesystem::path& path() {
    static const OwnDirectory one;
    return one.directory_->path();
  }
  OwnDirectory(const OwnDirectory&) = delete;
  OwnDirectory& operator=(const OwnDirectory&) = delete;
  ~OwnDirectory() {
    if (::getpid() != pid_) static_cast<void>(directory_.release());
  }

 private:
  OwnDirectory() = default;
  pid_t pid_ = ::getpid();
  std::unique_ptr<TempDirectory> directory_ = std::make_unique<TempDirectory>();
};

void* open_communicator(std::uint64_t hash) {
  ::setenv("GRIT_PROFILE_DIR", OwnDirectory::path().c_str(), 1);
  void* context = nullptr;
  int mask = 0;
  CHECK(ncclProfiler_v5.init(&context, hash, &mask, "name", 1, 8, 3, nullptr) == nccl::kSuccess);
  CHECK(mask == static_cast<int>(nccl::kCollective | nccl::kPointToPoint | nccl::kKernelChannel |
                                 nccl::kCollectiveCall | nccl::kPointToPointCall));
  return context;
}

/// What NCCL found at `handle` before is nothing of ours: it must always be written.
void* start(void* context, nccl::Event event) {
  void* handle = &event;
  CHECK(ncclProfiler_v5.start_event(context, &handle, &event) == nccl::kSuccess);
  return handle;
}

void* start_collective(void* context, std::uint64_t sequence, std::uint8_t channels) {
  nccl::Event call{};
  call.type = nccl::kCollectiveCall;
  nccl::Event event{};
  event.type = nccl::kCollective;
  event.parent = start(context, call);
  event.collective = {};
  event.collective.sequence = sequence;
  event.collective.function = "AllReduce";
  event.collective.type = "ncclBfloat16";
  event.collective.count = 77;
  event.collective.channels = channels;
  return start(context, event);
}

void* start_channel(void* context, void* operation, std::uint64_t timer_ns) {
  nccl::Event event{};
  event.type = nccl::kKernelChannel;
  event.parent = operation;
  event.kernel_channel = {.channel = 0, .timer_ns = timer_ns};
  return start(context, event);
}

void stop_channel(void* channel, std::uint64_t timer_ns) {
  nccl::StateArguments arguments{.timer_ns = timer_ns};
  ncclProfiler_v5.record_state(channel, nccl::kKernelChannelStop, &arguments);
  ncclProfiler_v5.stop_event(channel);
}

/// The operations of the communicator of that hash, as the file has them.
std::vector<NcclRecord> written(std::uint64_t hash, const std::filesystem::path& directory = OwnDirectory::path()) {
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const auto part = read_nccl_part(entry.path());
    REQUIRE(part);
    for (const auto& one : part->communicators)
      if (one.is.hash == hash) return one.operations;
  }
  return {};
}

}  // namespace

TEST_CASE("an operation has the first beginning and the last end of its channels, by the device's timer") {
  void* context = open_communicator(1);
  void* operation = start_collective(context, 5, 2);
  REQUIRE(operation != nullptr);
  ncclProfiler_v5.stop_event(operation);  // NCCL says so as soon as it is given to the device
  void* first = start_channel(context, operation, 2'000);
  void* second = start_channel(context, operation, 1'500);
  stop_channel(second, 9'000);
  stop_channel(first, 8'000);
  ncclProfiler_v5.finalize(context);
  const auto operations = written(1);
  REQUIRE(operations.size() == 1);
  const NcclOperationRecord& is = operations[0].operation;
  CHECK(is.sequence == 5);
  CHECK(is.count == 77);
  CHECK(is.function == NcclFunction::all_reduce);
  CHECK(kNcclTypes.at(is.type) == "ncclBfloat16");
  CHECK(is.first_start_ns == 1'500);
  CHECK(is.last_start_ns == 2'000);
  CHECK(is.stop_ns == 9'000);
  CHECK(is.channels == 2);
  CHECK(is.channels_ended == 2);
  CHECK(is.called_ns > 0);
  CHECK(is.called_ns <= is.given_ns);
  CHECK(is.given_ns <= is.start_seen_ns);
  CHECK(is.start_seen_ns <= is.stop_seen_ns);
}

TEST_CASE(
    "an operation without times is written with a later one that has some, and what comes after that is no more") {
  void* context = open_communicator(2);
  void* without = start_collective(context, 0, 2);
  void* with = start_collective(context, 1, 1);
  stop_channel(start_channel(context, with, 10), 20);
  // It may still come: for a second the plugin waits, looks again, and then writes what there is.
  for (int i = 0; i < 100 && written(2).size() < 2; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  REQUIRE(written(2).size() == 2);
  void* late = start_channel(context, without, 30);
  CHECK(late == nullptr);
  stop_channel(late, 40);
  ncclProfiler_v5.finalize(context);
  const auto operations = written(2);
  REQUIRE(operations.size() == 2);
  CHECK(operations[0].operation.first_start_ns == 0);
  CHECK(operations[1].operation.stop_ns == 20);
}

TEST_CASE("what is not asked for, or of no communicator, is passed over") {
  nccl::Event group{};
  group.type = 1;
  void* context = open_communicator(3);
  CHECK(start(context, group) == nullptr);
  CHECK(start_collective(nullptr, 0, 1) == nullptr);
  CHECK(start_channel(context, nullptr, 1) == nullptr);
  CHECK(ncclProfiler_v5.stop_event(nullptr) == nccl::kSuccess);
  CHECK(ncclProfiler_v5.record_state(nullptr, nccl::kKernelChannelStop, nullptr) == nccl::kSuccess);
  CHECK(ncclProfiler_v5.finalize(nullptr) == nccl::kSuccess);
  ncclProfiler_v5.finalize(context);
}

TEST_CASE("threads of several communicators lose nothing, and do not mix") {
  constexpr std::uint64_t kThreads = 3, kOperations = 3000;
  std::vector<std::thread> threads;
  std::vector<void*> contexts;
  for (std::uint64_t i = 0; i < kThreads; ++i) contexts.push_back(open_communicator(10 + i));
  for (std::uint64_t i = 0; i < kThreads; ++i)
    threads.emplace_back([context = contexts[i], i] {
      for (std::uint64_t n = 0; n < kOperations; ++n) {
        nccl::Event event{};
        event.type = nccl::kCollective;
        event.collective.sequence = n;
        event.collective.channels = 1;
        void *operation = nullptr, *channel = nullptr;
        ncclProfiler_v5.start_event(context, &operation, &event);
        event = {};
        event.type = nccl::kKernelChannel;
        event.parent = operation;
        event.kernel_channel = {.channel = 0, .timer_ns = 1000 * (i + 1) + n};
        ncclProfiler_v5.start_event(context, &channel, &event);
        stop_channel(channel, 1'000'000 * (i + 1) + n);
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (void* context : contexts) ncclProfiler_v5.finalize(context);
  for (std::uint64_t i = 0; i < kThreads; ++i) {
    const auto operations = written(10 + i);
    REQUIRE(operations.size() == kOperations);
    for (std::uint64_t n = 0; n < kOperations; ++n) {
      const NcclOperationRecord& is = operations[n].operation;
      if (is.sequence != n || is.stop_ns != static_cast<std::int64_t>(1'000'000 * (i + 1) + n)) FAIL(n);
    }
  }
}

TEST_CASE("a forked child ends as if there were no profiler") {
  void* context = open_communicator(4);
  const pid_t child = ::fork();
  if (child == 0) std::exit(0);  // with what was registered for the end
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  stop_channel(start_channel(context, start_collective(context, 0, 1), 1), 2);
  ncclProfiler_v5.finalize(context);
  CHECK(written(4).size() == 1);
}

TEST_CASE("a full ring loses the newest operations, and counts them") {
  OperationRing ring(4);
  for (int i = 0; i < 6; ++i) {
    OperationSlot* slot = ring.claim();
    CHECK((slot != nullptr) == (i < 4));
    if (slot != nullptr) slot->number = static_cast<std::uint64_t>(i), OperationRing::publish(*slot);
  }
  CHECK(ring.lost() == 2);
  std::vector<std::uint64_t> taken;
  // The second one stays: those after it are taken, but their room is not free before it is.
  ring.sweep([&](const OperationSlot& slot) { return slot.number != 1 && (taken.push_back(slot.number), true); });
  CHECK(taken == std::vector<std::uint64_t>{0, 2, 3});
  CHECK(ring.claim() != nullptr);
  CHECK(ring.claim() == nullptr);
  CHECK(ring.lost() == 3);
}

namespace {

/// An operation of communicator 0, as it is when it was just given; `channels` as NCCL says beforehand.
OperationSlot& put(OperationRing& ring, std::uint64_t number, std::uint8_t channels) {
  OperationSlot* slot = ring.claim();
  REQUIRE(slot != nullptr);
  slot->number = number;
  slot->given = {};
  slot->given.given_ns = 1;  // long ago
  slot->given.channels = channels;
  OperationRing::publish(*slot);
  return *slot;
}

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void run_channel(OperationSlot& slot, std::int64_t device_ns) {
  slot.begin_channel(device_ns, now_ns());
  slot.end_channel(device_ns + 1, now_ns());
  slot.stop_channel();
}

/// A writer of a communicator with hash 1 in a directory and with a ring of its own.
struct OwnWriter {
  explicit OwnWriter(std::uint32_t slots) : ring(slots) {
    std::string why;
    writer = PartWriter::open(directory.path(), ring, why);
    REQUIRE(writer);
    CHECK(writer->add({.hash = 1, .rank = 0, .ranks = 1, .nodes = 1}) == 0);
  }
  std::vector<NcclRecord> in_file() {
    CHECK(writer->flush());
    return written(1, directory.path());
  }
  const TempDirectory directory;
  OperationRing ring;
  std::unique_ptr<PartWriter> writer;
};

void sleep_ms(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

/// The soft limit of what a file may have, for this process; as it was at the end.
class FileLimit {
 public:
  explicit FileLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit now{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &now);
  }
  ~FileLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }
  FileLimit(const FileLimit&) = delete;
  FileLimit& operator=(const FileLimit&) = delete;

 private:
  rlimit before_{};
};

}  // namespace

TEST_CASE("where there can be no thread the job goes on with its signals, and is told why") {
  pthread_attr_t attributes, before;
  REQUIRE(::pthread_getattr_default_np(&before) == 0);
  REQUIRE(::pthread_getattr_default_np(&attributes) == 0);
  REQUIRE(::pthread_attr_setstacksize(&attributes, std::size_t{1} << 47U) == 0);  // more than there are addresses
  sigset_t mask_before{}, mask{};
  ::pthread_sigmask(SIG_SETMASK, nullptr, &mask_before);
  const TempDirectory directory;
  OperationRing ring(4);
  std::string why;
  REQUIRE(::pthread_setattr_default_np(&attributes) == 0);
  const auto writer = PartWriter::open(directory.path(), ring, why);
  REQUIRE(::pthread_setattr_default_np(&before) == 0);
  ::pthread_attr_destroy(&attributes);
  ::pthread_attr_destroy(&before);
  CHECK_FALSE(writer);
  CHECK_FALSE(why.empty());
  ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  for (const int one : {SIGTERM, SIGINT, SIGUSR1}) CHECK(::sigismember(&mask, one) == ::sigismember(&mask_before, one));
}

TEST_CASE("an operation of which NCCL launches fewer channels than it said has ended a second after these") {
  OwnWriter own(8);
  run_channel(put(own.ring, 0, 4), 10);
  CHECK(own.in_file().empty());  // the other three may still come
  sleep_ms(1100);
  const auto operations = own.in_file();
  REQUIRE(operations.size() == 1);
  CHECK(operations[0].operation.stop_ns == 11);
  CHECK(operations[0].operation.channels_ended == 1);
}

TEST_CASE("an operation that runs stays until it ends, whatever ended after it") {
  OwnWriter own(8);
  OperationSlot& stalled = put(own.ring, 0, 1);
  stalled.begin_channel(10, now_ns());
  run_channel(put(own.ring, 1, 1), 20);
  for (int i = 0; i < 30; ++i, sleep_ms(100)) CHECK(own.in_file().size() == 1);
  stalled.end_channel(5'000, now_ns());
  stalled.stop_channel();
  const auto operations = own.in_file();
  REQUIRE(operations.size() == 2);
  CHECK(operations[0].operation.stop_ns == 5'000);
}

TEST_CASE("an operation that still runs when its communicator is given up has a beginning and no end") {
  OwnWriter own(8);
  OperationSlot& slot = put(own.ring, 0, 2);
  run_channel(slot, 10);
  slot.begin_channel(11, now_ns());
  CHECK(own.writer->flush(0));
  const auto operations = written(1, own.directory.path());
  REQUIRE(operations.size() == 1);
  CHECK(operations[0].operation.first_start_ns == 10);
  CHECK(operations[0].operation.stop_ns == 0);
}

TEST_CASE("in a ring that is half full, what nothing was told of for long makes room") {
  OwnWriter own(4);
  put(own.ring, 0, 0);
  put(own.ring, 1, 0);
  CHECK(own.in_file().empty());
  put(own.ring, 2, 0);
  CHECK(own.in_file().size() == 3);
  for (std::uint64_t i = 3; i < 7; ++i) put(own.ring, i, 0);
  CHECK(own.ring.lost() == 0);
}

TEST_CASE("what comes late for an operation does not reach the next one in its slot") {
  OperationRing ring(1);
  const std::uint64_t first = put(ring, 0, 1).ticket;
  CHECK(ring.find(first) != nullptr);
  ring.sweep([](const OperationSlot&) { return true; });
  CHECK(ring.find(first) == nullptr);
  const std::uint64_t second = put(ring, 1, 1).ticket;
  CHECK(ring.find(first) == nullptr);
  CHECK(ring.find(second) != nullptr);
}

TEST_CASE("a file system that stands still holds the job up once, for two seconds") {
  static OperationRing ring(16);  // the thread is left behind with it
  const TempDirectory directory;
  std::string why;
  auto writer = PartWriter::open(directory.path(), ring, why);
  REQUIRE(writer);
  is_standing_still = true;
  const std::int64_t since_ns = now_ns();
  const auto seconds = [&] { return static_cast<double>(now_ns() - since_ns) / 1e9; };
  CHECK(writer->add({.hash = 1, .rank = 0, .ranks = 1, .nodes = 1}) == 0);
  CHECK(seconds() < 1.5);
  run_channel(put(ring, 0, 1), 10);
  CHECK_FALSE(writer->flush(0));
  CHECK(seconds() > 1.5);
  CHECK(writer->add({.hash = 2, .rank = 0, .ranks = 1, .nodes = 1}) == 1);
  CHECK_FALSE(writer->flush(1));
  writer.reset();
  CHECK(seconds() < 3.5);
  is_standing_still = false;  // what was asked for is written all the same
  for (int i = 0; i < 100 && written(1, directory.path()).empty(); ++i) sleep_ms(50);
  CHECK(written(1, directory.path()).size() == 1);
}

TEST_CASE("a file that may not grow ends the profile, not the job") {
  OwnWriter own(8);
  CHECK(own.in_file().empty());
  const FileLimit limit(sizeof(NcclPartHeader) + sizeof(NcclRecord));
  run_channel(put(own.ring, 0, 1), 10);
  CHECK(own.in_file().empty());
}

TEST_CASE("where not even the beginning can be written there is no file") {
  const TempDirectory directory;
  OperationRing ring(4);
  std::string why;
  {
    const FileLimit limit(0);
    CHECK_FALSE(PartWriter::open(directory.path(), ring, why));
  }
  CHECK(why.find("File too large") != std::string::npos);
  CHECK(std::filesystem::is_empty(directory.path()));
}

TEST_CASE("operations of communicators beyond the most of a process count as lost") {  // none can be opened after it
  const auto lost = [] {
    std::uint64_t of_all = 0;
    for (const auto& entry : std::filesystem::directory_iterator(OwnDirectory::path()))
      of_all += read_nccl_part(entry.path())->lost;
    return of_all;
  };
  void* first = open_communicator(1000);
  CHECK(lost() == 0);
  void* last = nullptr;
  for (std::uint64_t i = 0; i < kMostCommunicators; ++i) last = open_communicator(1001 + i);
  CHECK(start_collective(last, 0, 1) == nullptr);
  ncclProfiler_v5.finalize(last);
  ncclProfiler_v5.finalize(first);
  CHECK(lost() == 1);
}
