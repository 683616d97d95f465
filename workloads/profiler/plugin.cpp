// libnccl-profiler-grit.so: what NCCL calls. See docs/gpu.md, "Profiler for unmodified jobs".
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "workloads/profiler/abi.hpp"
#include "workloads/profiler/operation_ring.hpp"
#include "workloads/profiler/part_writer.hpp"

namespace grit {
namespace {

constexpr const char* kDirectory = "GRIT_PROFILE_DIR";
constexpr const char* kSlots = "GRIT_PROFILE_RING";
constexpr std::uint32_t kDefaultSlots = 1U << 15U;  // 6 MB: at 10,000 operations a second good for 3 s
constexpr std::uint32_t kMostSlots = 1U << 22U;
constexpr int kLogWarning = 2;
constexpr unsigned long kLogInit = 1;

/// A vDSO call, no system call.
std::int64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

/// What NCCL keeps for us of an event, in one pointer and without memory of its own: of an operation its ticket in the
/// ring; of one of its channels that again; of a call of the job when that was, which its operation is told by as its
/// parent.
class Handle {
 public:
  enum class Kind : std::uintptr_t { none = 0, operation = 1, channel = 2, call = 3 };
  explicit Handle(void* raw) : raw_(reinterpret_cast<std::uintptr_t>(raw)) {}
  Handle(Kind kind, const OperationSlot& slot)
      : raw_(static_cast<std::uintptr_t>(slot.ticket.load(std::memory_order_relaxed)) << 2U |
             static_cast<std::uintptr_t>(kind)) {}
  explicit Handle(std::int64_t called_ns)
      : raw_(static_cast<std::uintptr_t>(called_ns) << 2U | static_cast<std::uintptr_t>(Kind::call)) {}

  [[nodiscard]] void* raw() const { return reinterpret_cast<void*>(raw_); }
  [[nodiscard]] Kind kind() const { return static_cast<Kind>(raw_ & 3U); }
  /// Null unless it is of that kind, and the operation not yet written down.
  [[nodiscard]] OperationSlot* slot(Kind wanted, OperationRing& ring) const {
    return kind() == wanted ? ring.find(raw_ >> 2U) : nullptr;
  }
  [[nodiscard]] std::int64_t called_ns() const {
    return kind() == Kind::call ? static_cast<std::int64_t>(raw_ >> 2U) : 0;
  }

 private:
  std::uintptr_t raw_;
};
static_assert(sizeof(void*) == 8);

/// Of one communicator of this process.
struct Context {
  std::uint32_t index = 0;  // kMostCommunicators: of one too many, whose operations are lost
  std::atomic<std::uint64_t> begun{0};
};

std::uint32_t slots_wanted() {
  const char* text = std::getenv(kSlots);
  const unsigned long wanted = text == nullptr ? 0 : std::strtoul(text, nullptr, 10);
  return wanted == 0 ? kDefaultSlots : static_cast<std::uint32_t>(std::min<unsigned long>(wanted, kMostSlots));
}

class Plugin {
 public:
  /// Never destroyed: NCCL's threads call until the process is gone.
  static Plugin& one() {
    static Plugin& plugin = *std::make_unique<Plugin>().release();
    return plugin;
  }

  Plugin() : ring_(slots_wanted()) {}

  /// Null: nothing of this communicator is recorded; `why` says why, where that is worth a word.
  Context* open(const NcclCommunicatorRecord& communicator, std::string& why) {
    const char* directory = std::getenv(kDirectory);
    if (directory == nullptr || *directory == '\0') return nullptr;
    const std::lock_guard lock(mutex_);
    if (!is_opened_) {
      is_opened_ = true;
      pid_ = ::getpid();
      writer_ = PartWriter::open(directory, ring_, why);
      if (writer_) std::atexit([] { one().close(); });
    }
    if (!writer_ || pid_ != ::getpid()) return nullptr;
    const std::int32_t index = writer_->add(communicator);
    Context& context = contexts_[index < 0 ? kMostCommunicators : static_cast<std::size_t>(index)];
    context.index = index < 0 ? kMostCommunicators : static_cast<std::uint32_t>(index);
    return &context;
  }

  void give_up(const Context& context) {
    const std::lock_guard lock(mutex_);
    if (writer_ && pid_ == ::getpid() && context.index < kMostCommunicators)
      (void)writer_->flush(static_cast<std::int32_t>(context.index));
  }

  [[nodiscard]] OperationRing& ring() { return ring_; }

 private:
  /// At the process's end. A forked child has no writer's thread, and leaves the file alone.
  void close() {
    if (pid_ != ::getpid()) return;
    const std::lock_guard lock(mutex_);
    writer_.reset();
  }

  OperationRing ring_;
  std::mutex mutex_{};
  bool is_opened_ = false;
  pid_t pid_ = 0;
  std::unique_ptr<PartWriter> writer_{};
  std::array<Context, kMostCommunicators + 1> contexts_{};
};

NcclFunction function_called(const char* name) {
  using enum NcclFunction;
  constexpr std::pair<std::string_view, NcclFunction> kNames[] = {
      {"AllReduce", all_reduce}, {"ReduceScatter", reduce_scatter},
      {"AllGather", all_gather}, {"Send", send},
      {"Recv", receive},         {"Broadcast", broadcast},
      {"Reduce", reduce},        {"AlltoAll", all_to_all},
      {"AllToAll", all_to_all},  {"Gather", gather},
      {"Scatter", scatter}};
  for (const auto& [known, function] : kNames)
    if (name != nullptr && known == name) return function;
  return other;
}

std::uint8_t type_called(const char* name) {
  const auto found = std::find(kNcclTypes.begin(), kNcclTypes.end(), std::string_view(name == nullptr ? "" : name));
  return found == kNcclTypes.end() ? kNcclTypeUnknown : static_cast<std::uint8_t>(found - kNcclTypes.begin());
}

void* begin_operation(Context& context, const nccl::Event& event) {
  OperationRing& ring = Plugin::one().ring();
  if (context.index == kMostCommunicators) return ring.lose(), nullptr;
  OperationSlot* slot = ring.claim();
  const std::uint64_t number = context.begun.fetch_add(1, std::memory_order_relaxed);
  if (slot == nullptr) return nullptr;
  slot->communicator = context.index;
  slot->number = number;
  NcclOperationRecord& given = slot->given = {};
  given.given_ns = now_ns();
  given.called_ns = Handle(event.parent).called_ns();
  if (event.type == nccl::kCollective) {
    given.sequence = event.collective.sequence;
    given.count = event.collective.count;
    given.peer = event.collective.root;
    given.function = function_called(event.collective.function);
    given.type = type_called(event.collective.type);
    given.channels = event.collective.channels;
  } else {
    given.count = event.point_to_point.count;
    given.peer = event.point_to_point.peer;
    given.function = function_called(event.point_to_point.function);
    given.type = type_called(event.point_to_point.type);
    given.channels = event.point_to_point.channels;
  }
  OperationRing::publish(*slot);
  return Handle(Handle::Kind::operation, *slot).raw();
}

nccl::Code init(void** context, std::uint64_t communicator, int* mask, const char* name, int nodes, int ranks, int rank,
                nccl::Log log) noexcept {
  *context = nullptr;
  std::string why;
  try {
    NcclCommunicatorRecord record{.hash = communicator, .rank = rank, .ranks = ranks, .nodes = nodes};
    if (name != nullptr) std::strncpy(record.name, name, sizeof record.name - 1);
    *context = Plugin::one().open(record, why);
  } catch (const std::exception& caught) {
    why = caught.what();
  }
  if (!why.empty() && log != nullptr)
    log(kLogWarning, kLogInit, __FILE__, __LINE__, "grit profiles nothing of this process: %s", why.c_str());
  // The mask is all communicators' of the process; those without a context are passed over.
  if (*context != nullptr)
    *mask = static_cast<int>(nccl::kCollective | nccl::kPointToPoint | nccl::kKernelChannel | nccl::kCollectiveCall |
                             nccl::kPointToPointCall);
  return nccl::kSuccess;
}

/// `handle` is always written: NCCL asks what is there.
nccl::Code start_event(void* context, void** handle, nccl::Event* event) noexcept {
  *handle = nullptr;
  if (context == nullptr) return nccl::kSuccess;
  switch (event->type) {
    case nccl::kCollectiveCall:
    case nccl::kPointToPointCall:
      *handle = Handle(now_ns()).raw();
      break;
    case nccl::kCollective:
    case nccl::kPointToPoint:
      *handle = begin_operation(*static_cast<Context*>(context), *event);
      break;
    case nccl::kKernelChannel:
      if (OperationSlot* slot = Handle(event->parent).slot(Handle::Kind::operation, Plugin::one().ring())) {
        slot->begin_channel(static_cast<std::int64_t>(event->kernel_channel.timer_ns), now_ns());
        *handle = Handle(Handle::Kind::channel, *slot).raw();
      }
      break;
    default:  // NCCL also tells of what it groups these in
      break;
  }
  return nccl::kSuccess;
}

nccl::Code record_state(void* handle, int state, nccl::StateArguments* arguments) noexcept {
  if (state != nccl::kKernelChannelStop || arguments == nullptr) return nccl::kSuccess;
  if (OperationSlot* slot = Handle(handle).slot(Handle::Kind::channel, Plugin::one().ring()))
    slot->end_channel(static_cast<std::int64_t>(arguments->timer_ns), now_ns());
  return nccl::kSuccess;
}

nccl::Code stop_event(void* handle) noexcept {
  if (OperationSlot* slot = Handle(handle).slot(Handle::Kind::channel, Plugin::one().ring())) slot->stop_channel();
  return nccl::kSuccess;
}

nccl::Code finalize(void* context) noexcept {
  try {
    if (context != nullptr) Plugin::one().give_up(*static_cast<Context*>(context));
  } catch (const std::exception&) {  // the profile is then without what was not written yet
  }
  return nccl::kSuccess;
}

}  // namespace
}  // namespace grit

extern "C" __attribute__((visibility("default"))) const grit::nccl::Profiler ncclProfiler_v5 = {
    .name = "grit",
    .init = grit::init,
    .start_event = grit::start_event,
    .stop_event = grit::stop_event,
    .record_state = grit::record_state,
    .finalize = grit::finalize,
};
