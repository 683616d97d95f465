// The plugin alone, called as NCCL calls it.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <thread>
#include <vector>

#include "harness/record/nccl_part.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"
#include "workloads/profiler/abi.hpp"
#include "workloads/profiler/operation_ring.hpp"

extern "C" const grit::nccl::Profiler ncclProfiler_v5;

using namespace grit;
using test::TempDirectory;

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
std::vector<NcclRecord> written(std::uint64_t hash) {
  for (const auto& entry : std::filesystem::directory_iterator(OwnDirectory::path())) {
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
