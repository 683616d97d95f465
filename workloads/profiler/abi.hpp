// What NCCL asks of a profiler plugin, version 5 of the interface (NCCL 2.28; newer ones load it as well): our own
// declarations of the part that is used. Layout and numbers as in NCCL's src/include/plugin/profiler/profiler_v5.h and
// nccl_profiler.h, on 64-bit Linux.
#pragma once

#include <cstddef>
#include <cstdint>

namespace grit::nccl {

using Code = int;  // ncclResult_t
inline constexpr Code kSuccess = 0;

/// What may be asked for, and what an event is: a bit each.
inline constexpr std::uint64_t kCollective = 1U << 1U;      // an operation is given to the device
inline constexpr std::uint64_t kPointToPoint = 1U << 2U;    // a send or receive is
inline constexpr std::uint64_t kKernelChannel = 1U << 6U;   // the device does a channel of one, by its own timer
inline constexpr std::uint64_t kCollectiveCall = 1U << 9U;  // the job calls NCCL: before anything is on the device
inline constexpr std::uint64_t kPointToPointCall = 1U << 10U;

/// The one state that is looked at: the device is done with a channel.
inline constexpr int kKernelChannelStop = 22;

struct Collective {
  std::uint64_t sequence;  // of this function in this communicator
  const char* function;    // "AllReduce"
  const void* send_buffer;
  void* receive_buffer;
  std::size_t count;  // elements, as the job gave them
  int root;
  const char* type;  // "ncclBfloat16"
  std::uint8_t channels;
  std::uint8_t warps;
  const char* algorithm;
  const char* protocol;
  void* parent_group;
};

struct PointToPoint {
  const char* function;  // "Send", "Recv"
  void* buffer;
  const char* type;
  std::size_t count;
  int peer;
  std::uint8_t channels;
  void* parent_group;
};

struct KernelChannel {
  std::uint8_t channel;
  std::uint64_t timer_ns;  // the device's %globaltimer at the start
};

struct Event {
  std::uint64_t type;
  void* parent;  // what startEvent gave for the event above: of a channel its operation, of that the call
  int rank;
  union {
    Collective collective;
    PointToPoint point_to_point;
    KernelChannel kernel_channel;
  };
};
static_assert(sizeof(Event) == 112 && offsetof(Event, parent) == 8 && offsetof(Event, rank) == 16);
static_assert(offsetof(Event, collective) == 24 && sizeof(Collective) == 88);
static_assert(offsetof(Collective, function) == 8 && offsetof(Collective, count) == 32);
static_assert(offsetof(Collective, root) == 40 && offsetof(Collective, type) == 48);
static_assert(offsetof(Collective, channels) == 56 && offsetof(Collective, algorithm) == 64);
static_assert(offsetof(PointToPoint, type) == 16 && offsetof(PointToPoint, count) == 24);
static_assert(offsetof(PointToPoint, peer) == 32 && offsetof(PointToPoint, channels) == 36);
static_assert(offsetof(KernelChannel, timer_ns) == 8);

/// What comes with a change of state.
union StateArguments {
  std::uint64_t timer_ns;  // of kKernelChannelStop: the device's %globaltimer at the end
  void* data;
};
static_assert(sizeof(StateArguments) == 8);

/// NCCL's log: level, subsystems, file, line, format ...
using Log = void (*)(int level, unsigned long flags, const char* file, int line, const char* format, ...);

/// The plugin: NCCL looks for a symbol ncclProfiler_v5 that is one of these.
struct Profiler {
  const char* name;
  Code (*init)(void** context, std::uint64_t communicator, int* mask, const char* communicator_name, int nodes,
               int ranks, int rank, Log log);
  Code (*start_event)(void* context, void** handle, Event* event);
  Code (*stop_event)(void* handle);
  Code (*record_state)(void* handle, int state, StateArguments* arguments);
  Code (*finalize)(void* context);
};
static_assert(sizeof(Profiler) == 48);

}  // namespace grit::nccl
