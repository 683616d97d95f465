#include "tests/fakes/cuda/nccl/profiler.hpp"

#include <dlfcn.h>

#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>

#include "tests/fakes/cuda/nccl/communicator.hpp"
#include "tests/fakes/cuda/script.hpp"

namespace grit::fake {
namespace {

/// Like NCCL's: warnings and worse only.
void log(int level, unsigned long, const char*, int, const char* format, ...) {
  constexpr int kWarning = 2;
  if (level > kWarning) return;
  std::va_list arguments;
  va_start(arguments, format);
  std::fprintf(stderr, "FAKE NCCL: ");
  std::vfprintf(stderr, format, arguments);
  std::fprintf(stderr, "\n");
  va_end(arguments);
}

class Plugin {
 public:
  static Plugin& one() {
    static Plugin plugin;
    return plugin;
  }

  const nccl::Profiler* load() {
    const std::lock_guard lock(mutex_);
    if (users_ == 0) open();
    if (profiler_ != nullptr) ++users_;
    return profiler_;
  }

  void unload() {
    const std::lock_guard lock(mutex_);
    if (--users_ > 0) return;
    ::dlclose(library_);
    library_ = nullptr;
    profiler_ = nullptr;
  }

 private:
  void open() {
    const char* name = std::getenv("NCCL_PROFILER_PLUGIN");
    if (name == nullptr) return;
    library_ = ::dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (library_ == nullptr)
      library_ = ::dlopen(("libnccl-profiler-" + std::string(name) + ".so").c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library_ != nullptr) profiler_ = static_cast<const nccl::Profiler*>(::dlsym(library_, "ncclProfiler_v5"));
    if (profiler_ == nullptr) log(0, 0, "", 0, "the profiler plugin %s cannot be used: %s", name, ::dlerror());
  }

  std::mutex mutex_{};
  void* library_ = nullptr;
  const nccl::Profiler* profiler_ = nullptr;
  int users_ = 0;
};

const char* function_of(Kind kind) {
  constexpr const char* kNames[] = {"",       "AllReduce", "ReduceScatter", "AllGather", "AlltoAll", "Broadcast",
                                    "Reduce", "Gather",    "Scatter",       "Send",      "Recv"};
  return kNames[static_cast<std::size_t>(kind)];
}

const char* type_of(ncclDataType_t type) {
  constexpr const char* kNames[] = {"ncclInt8",    "ncclUint8",    "ncclInt32",      "ncclUint32",
                                    "ncclInt64",   "ncclUint64",   "ncclFloat16",    "ncclFloat32",
                                    "ncclFloat64", "ncclBfloat16", "ncclFloat8e4m3", "ncclFloat8e5m2"};
  return kNames[static_cast<std::size_t>(type)];
}

bool is_point_to_point(const Operation& operation) {
  return operation.kind == Kind::send || operation.kind == Kind::receive;
}

/// The device's timer, which is not the host's: gpuN.timer_offset_s of the script says how far they are apart.
std::uint64_t timer_ns(int device) {
  constexpr double kOffset_s = 1000;  // so that it is not the host's clock by chance
  const auto host = std::chrono::steady_clock::now().time_since_epoch();
  const double offset_ns = 1e9 * number_of(device, "timer_offset_s", kOffset_s);
  return static_cast<std::uint64_t>(std::chrono::nanoseconds(host).count()) +
         static_cast<std::uint64_t>(static_cast<std::int64_t>(offset_ns));
}

}  // namespace

void Profile::open(std::uint64_t hash, int nodes, int ranks, int rank) {
  plugin_ = Plugin::one().load();
  rank_ = rank;
  if (plugin_ != nullptr && plugin_->init(&context_, hash, &mask_, nullptr, nodes, ranks, rank, log) != 0) close();
}

void Profile::close() {
  if (plugin_ == nullptr) return;
  if (context_ != nullptr) plugin_->finalize(context_);
  plugin_ = nullptr;
  context_ = nullptr;
  mask_ = 0;
  Plugin::one().unload();
}

void* Profile::call(const Operation& operation) const {
  void* handle = nullptr;
  if (mask_ == 0) return handle;
  nccl::Event event{};
  event.type = is_point_to_point(operation) ? nccl::kPointToPointCall : nccl::kCollectiveCall;
  event.rank = rank_;
  plugin_->start_event(context_, &handle, &event);
  if (handle != nullptr) plugin_->stop_event(handle);
  return handle;
}

void* Profile::begin(const Operation& operation) {
  void* handle = nullptr;
  if (mask_ == 0) return handle;
  nccl::Event event{};
  event.parent = operation.call;
  event.rank = rank_;
  if (is_point_to_point(operation)) {
    event.type = nccl::kPointToPoint;
    event.point_to_point = {.function = function_of(operation.kind),
                            .buffer = operation.receive,
                            .type = type_of(operation.type),
                            .count = operation.count,
                            .peer = operation.root,
                            .channels = kChannels,
                            .parent_group = nullptr};
  } else {
    event.type = nccl::kCollective;
    event.collective = {.sequence = sequences_[operation.kind]++,
                        .function = function_of(operation.kind),
                        .send_buffer = operation.send,
                        .receive_buffer = operation.receive,
                        .count = operation.count,
                        .root = operation.root,
                        .type = type_of(operation.type),
                        .channels = kChannels,
                        .warps = 1,
                        .algorithm = "RING",
                        .protocol = "SIMPLE",
                        .parent_group = nullptr};
  }
  plugin_->start_event(context_, &handle, &event);
  if (handle != nullptr) plugin_->stop_event(handle);
  return handle;
}

ChannelHandles Profile::begin_channels(void* operation, int device) const {
  ChannelHandles handles{};
  if ((static_cast<std::uint64_t>(mask_) & nccl::kKernelChannel) == 0) return handles;
  for (std::uint8_t channel = 0; channel < kChannels; ++channel) {
    nccl::Event event{};
    event.type = nccl::kKernelChannel;
    event.parent = operation;
    event.rank = rank_;
    event.kernel_channel = {.channel = channel, .timer_ns = timer_ns(device)};
    plugin_->start_event(context_, &handles[channel], &event);
  }
  return handles;
}

void Profile::end_channels(const ChannelHandles& channels, int device) const {
  for (void* handle : channels) {
    if (handle == nullptr) continue;
    nccl::StateArguments arguments{.timer_ns = timer_ns(device)};
    plugin_->record_state(handle, nccl::kKernelChannelStop, &arguments);
    plugin_->stop_event(handle);
  }
}

}  // namespace grit::fake
