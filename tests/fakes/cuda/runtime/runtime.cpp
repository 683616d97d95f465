#include "tests/fakes/cuda/runtime/runtime.hpp"

#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <thread>

namespace grit::fake {
namespace {

/// How often who waits looks whether the device has been lost.
constexpr std::chrono::milliseconds kLook{10};

/// How many of the devices CUDA_VISIBLE_DEVICES shows; a list ends at the first ordinal that is none.
int count_visible(int devices) {
  const char* list = std::getenv("CUDA_VISIBLE_DEVICES");
  if (list == nullptr) return devices;
  std::istringstream ordinals(list);
  int visible = 0;
  for (std::string ordinal; std::getline(ordinals, ordinal, ',');) {
    char* end = nullptr;
    const long number = std::strtol(ordinal.c_str(), &end, 10);
    if (end == ordinal.c_str() || number < 0 || number >= devices) break;
    ++visible;
  }
  return visible;
}

/// A stream's thread.
void work_off(const std::shared_ptr<CUstream_st>& stream) {
  Runtime& all = runtime();
  Lock lock(all.mutex);
  for (;;) {
    all.changed.wait(lock, [&] { return !stream->queue.empty() || stream->closing; });
    if (stream->queue.empty()) {
      all.streams.erase(stream.get());
      return;
    }
    Piece piece = std::move(stream->queue.front());
    stream->queue.pop_front();
    for (const Ticket& ticket : piece.after) all.changed.wait(lock, [&] { return Runtime::is_done(ticket); });
    if (all.devices[stream->device].failed == cudaSuccess) {
      lock.unlock();
      const cudaError_t code = piece.run();
      piece = {};  // what it holds is gone before it counts as done
      lock.lock();
      if (code != cudaSuccess) all.devices[stream->device].failed = code;
    }
    ++stream->done;
    all.changed.notify_all();
  }
}

}  // namespace

/// Never destroyed: streams' threads use it until the process ends.
Runtime& runtime() {
  static Runtime& one = *new Runtime;
  return one;
}

int& current_device() {
  static thread_local int device = 0;
  return device;
}

cudaError_t& last_error() {
  static thread_local cudaError_t error = cudaSuccess;
  return error;
}

cudaError_t state_of(int device) {
  Device& one = runtime().devices[device];
  if (const double code = number_of(device, "return", 0); code != 0) one.failed = static_cast<cudaError_t>(code);
  return one.failed;
}

cudaError_t Runtime::start() {
  // A driver of the same major version is new enough (CUDA's minor version compatibility).
  const auto driver = static_cast<int>(number_of("driver", CUDART_VERSION));
  if (driver / 1000 < CUDART_VERSION / 1000) return cudaErrorInsufficientDriver;
  if (devices.empty()) devices.resize(count_visible(static_cast<int>(number_of("devices", 1))));
  return devices.empty() ? cudaErrorNoDevice : cudaSuccess;
}

std::shared_ptr<CUstream_st> Runtime::find_stream(cudaStream_t handle) {
  if (handle == nullptr || handle == cudaStreamLegacy) {
    auto& legacy = devices[current_device()].legacy;
    if (!legacy) legacy = add_stream(current_device(), cudaStreamDefault, 0, true);
    return legacy;
  }
  const auto found = streams.find(handle);
  return found == streams.end() || found->second->closing ? nullptr : found->second;
}

std::shared_ptr<CUstream_st> Runtime::add_stream(int device, unsigned flags, int priority, bool is_legacy) {
  auto stream = std::make_shared<CUstream_st>();
  stream->device = device, stream->flags = flags, stream->priority = priority, stream->is_legacy = is_legacy;
  streams[stream.get()] = stream;
  std::thread(work_off, stream).detach();
  return stream;
}

Ticket Runtime::enqueue(const std::shared_ptr<CUstream_st>& stream, const Call& call, Work run,
                        std::vector<Ticket> after) {
  if (stream->is_legacy) {
    for (const auto& [handle, other] : streams)
      if (other != stream && other->device == stream->device && other->flags == cudaStreamDefault)
        after.push_back({other, other->enqueued});
  } else if (const auto& legacy = devices[stream->device].legacy; legacy && stream->flags == cudaStreamDefault) {
    after.push_back({legacy, legacy->enqueued});
  }
  stream->queue.push_back({[call, run = std::move(run)] {
                             keep_to(Clock::now(), call.delay_s);
                             const cudaError_t code = run();
                             return call.async_code != 0 ? static_cast<cudaError_t>(call.async_code) : code;
                           },
                           std::move(after)});
  ++stream->enqueued;
  changed.notify_all();
  return {stream, stream->enqueued};
}

bool Runtime::is_done(const Ticket& ticket) { return !ticket.stream || ticket.stream->done >= ticket.number; }

cudaError_t Runtime::wait(const Ticket& ticket, Lock& lock) {
  while (!is_done(ticket)) {
    if (const cudaError_t code = state_of(ticket.stream->device); code != cudaSuccess) return code;
    (void)changed.wait_for(lock, kLook);
  }
  return ticket.stream ? state_of(ticket.stream->device) : cudaSuccess;
}

cudaError_t Runtime::wait_to_the_end(const Ticket& ticket, Lock& lock) {
  changed.wait(lock, [&] { return is_done(ticket); });
  return wait(ticket, lock);
}

cudaError_t Runtime::wait_for_device(int device, Lock& lock) {
  std::vector<Ticket> last;
  for (const auto& [handle, stream] : streams)
    if (stream->device == device) last.push_back({stream, stream->enqueued});
  for (const Ticket& ticket : last) (void)wait(ticket, lock);
  return state_of(device);
}

const Block* Runtime::find_block(const void* address, std::size_t size_bytes) {
  const auto start = reinterpret_cast<std::uintptr_t>(address);
  auto after = blocks.upper_bound(start);
  if (after == blocks.begin()) return nullptr;
  const auto& [from, block] = *--after;
  return start >= from && start + size_bytes <= from + block.size_bytes ? &block : nullptr;
}

}  // namespace grit::fake

using namespace grit::fake;

extern "C" cudaError_t grit_fake_enqueue(cudaStream_t handle, double delay_s, int async_code, const Work& work) {
  Runtime& all = runtime();
  const Lock lock(all.mutex);
  if (const cudaError_t code = all.start(); code != cudaSuccess) return code;
  const auto stream = all.find_stream(handle);
  if (!stream) return cudaErrorInvalidResourceHandle;
  if (const cudaError_t code = state_of(stream->device); code != cudaSuccess) return code;
  all.enqueue(stream, {.delay_s = delay_s, .async_code = async_code}, work);
  return cudaSuccess;
}

extern "C" const char grit_fake_library[] = "FAKE CUDA runtime";

extern "C" bool grit_fake_reaches(const void* address, std::size_t size_bytes) {
  const Lock lock(runtime().mutex);
  return size_bytes == 0 || runtime().find_block(address, size_bytes) != nullptr;
}

extern "C" int grit_fake_current_device() { return current_device(); }
extern "C" void grit_fake_set_device(int device) { current_device() = device; }
