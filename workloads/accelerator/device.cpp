#include "workloads/accelerator/device.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>

#include "workloads/accelerator/kernels.hpp"
#include "workloads/accelerator/why.hpp"

// A library that only plays CUDA or NCCL defines this; the vendor's do not.
extern "C" __attribute__((weak)) const char grit_fake_library[];

namespace grit::accelerator {
namespace {

/// Of the struct as the caller's build knows it: as much as that has room for.
template <class Struct>
void give(const Struct& made, Struct* to) {
  const std::uint32_t size_bytes = std::min<std::uint32_t>(to->size_bytes, sizeof(Struct));
  std::memcpy(to, &made, size_bytes);
  to->size_bytes = size_bytes;
}

std::int32_t read_properties(std::int32_t index, grit_device_facts& facts, grit_why* why) {
  const auto properties = std::make_unique<cudaDeviceProp>();
  GRIT_MODULE_CHECK(check_cuda(cudaGetDeviceProperties(properties.get(), index), "cudaGetDeviceProperties", why));
  std::snprintf(facts.name, sizeof facts.name, "%.*s", static_cast<int>(sizeof facts.name - 1), properties->name);
  facts.memory_bytes = properties->totalGlobalMem;
  facts.multiprocessors = properties->multiProcessorCount;
  facts.capability = 10 * properties->major + properties->minor;
  facts.l2_bytes = static_cast<std::uint64_t>(properties->l2CacheSize);
  return GRIT_OK;
}

bool is_pattern(const grit_pattern& pattern) {
  const std::uint32_t bytes = pattern.element_bytes;
  return pattern.period != nullptr && pattern.period_elements > 0 && (bytes == 1 || bytes == 2 || bytes == 4);
}

}  // namespace

std::int32_t device_count(std::int32_t* devices, grit_why* why) {
  int count = 0, driver = 0;
  const cudaError_t code = cudaGetDeviceCount(&count);
  // The runtime calls a driver that is not there one that is too old.
  if (code == cudaErrorInsufficientDriver && cudaDriverGetVersion(&driver) == cudaSuccess && driver == 0)
    return fail(why, GRIT_UNAVAILABLE, static_cast<std::int32_t>(code), "there is no NVIDIA driver");
  GRIT_MODULE_CHECK(check_cuda(code, "cudaGetDeviceCount", why));
  *devices = count;
  return GRIT_OK;
}

std::int32_t device_facts(std::int32_t index, grit_device_facts* facts, grit_why* why) {
  return guarded(why, [&]() -> std::int32_t {
    grit_device_facts made{};
    made.is_fake = grit_fake_library != nullptr ? 1 : 0;
    GRIT_MODULE_CHECK(read_properties(index, made, why));
    GRIT_MODULE_CHECK(check_cuda(cudaDeviceGetPCIBusId(made.pci_address, sizeof made.pci_address, index),
                                 "cudaDeviceGetPCIBusId", why));
    for (char& one : made.pci_address) one = static_cast<char>(std::tolower(static_cast<unsigned char>(one)));
    GRIT_MODULE_CHECK(check_cuda(cudaDriverGetVersion(&made.driver_version), "cudaDriverGetVersion", why));
    GRIT_MODULE_CHECK(check_cuda(cudaRuntimeGetVersion(&made.runtime_version), "cudaRuntimeGetVersion", why));
    give(made, facts);
    return GRIT_OK;
  });
}

std::int32_t device_open(std::int32_t index, grit_device** device, grit_why* why) {
  return guarded(why, [&]() -> std::int32_t {
    auto made = std::make_unique<grit_device>();
    made->index = index;
    GRIT_MODULE_CHECK(check_cuda(cudaSetDevice(index), "cudaSetDevice", why));
    *device = made.release();
    return GRIT_OK;
  });
}

void device_close(grit_device* device) { const std::unique_ptr<grit_device> closed(device); }

std::int32_t device_free_bytes(grit_device* device, std::uint64_t* free_bytes, grit_why* why) {
  GRIT_MODULE_CHECK(check_cuda(cudaSetDevice(device->index), "cudaSetDevice", why));
  std::size_t free = 0, total = 0;
  GRIT_MODULE_CHECK(check_cuda(cudaMemGetInfo(&free, &total), "cudaMemGetInfo", why));
  *free_bytes = free;
  return GRIT_OK;
}

std::int32_t allocate(grit_device* device, std::int32_t kind, std::size_t bytes, void** memory, grit_why* why) {
  GRIT_MODULE_CHECK(check_cuda(cudaSetDevice(device->index), "cudaSetDevice", why));
  if (kind == GRIT_ON_DEVICE) return check_cuda(cudaMalloc(memory, bytes), "cudaMalloc", why);
  if (kind == GRIT_ON_HOST)
    return check_cuda(cudaHostAlloc(memory, bytes, cudaHostAllocPortable | cudaHostAllocMapped), "cudaHostAlloc", why);
  return fail(why, GRIT_INVALID, 0, "no such kind of memory");
}

void release(grit_device*, std::int32_t kind, void* memory) {
  if (kind == GRIT_ON_DEVICE)
    cudaFree(memory);
  else
    cudaFreeHost(memory);
}

std::int32_t stream_create(grit_device* device, std::int32_t urgent, grit_stream** stream, grit_why* why) {
  return guarded(why, [&]() -> std::int32_t {
    GRIT_MODULE_CHECK(check_cuda(cudaSetDevice(device->index), "cudaSetDevice", why));
    int least = 0, greatest = 0;
    GRIT_MODULE_CHECK(
        check_cuda(cudaDeviceGetStreamPriorityRange(&least, &greatest), "cudaDeviceGetStreamPriorityRange", why));
    auto made = std::make_unique<grit_stream>();
    GRIT_MODULE_CHECK(
        check_cuda(cudaStreamCreateWithPriority(&made->stream, cudaStreamNonBlocking, urgent != 0 ? greatest : least),
                   "cudaStreamCreateWithPriority", why));
    *stream = made.release();
    return GRIT_OK;
  });
}

void stream_destroy(grit_stream* stream) {
  const std::unique_ptr<grit_stream> destroyed(stream);
  if (stream != nullptr) cudaStreamDestroy(stream->stream);
}

std::int32_t stream_wait(grit_stream* stream, grit_event* event, grit_why* why) {
  return check_cuda(cudaStreamWaitEvent(stream->stream, event->event, cudaEventWaitDefault), "cudaStreamWaitEvent",
                    why);
}

std::int32_t event_create(grit_device* device, grit_event** event, grit_why* why) {
  return guarded(why, [&]() -> std::int32_t {
    GRIT_MODULE_CHECK(check_cuda(cudaSetDevice(device->index), "cudaSetDevice", why));
    auto made = std::make_unique<grit_event>();
    GRIT_MODULE_CHECK(
        check_cuda(cudaEventCreateWithFlags(&made->event, cudaEventDefault), "cudaEventCreateWithFlags", why));
    *event = made.release();
    return GRIT_OK;
  });
}

void event_destroy(grit_event* event) {
  const std::unique_ptr<grit_event> destroyed(event);
  if (event != nullptr) cudaEventDestroy(event->event);
}

std::int32_t event_record(grit_event* event, grit_stream* stream, grit_why* why) {
  return check_cuda(cudaEventRecord(event->event, stream->stream), "cudaEventRecord", why);
}

std::int32_t event_state(grit_event* event, grit_why* why) {
  return check_cuda(cudaEventQuery(event->event), "the device's work", why);
}

std::int32_t event_elapsed(grit_event* from, grit_event* to, std::int64_t* elapsed_ns, grit_why* why) {
  float elapsed_ms = 0;
  GRIT_MODULE_CHECK(check_cuda(cudaEventElapsedTime(&elapsed_ms, from->event, to->event), "cudaEventElapsedTime", why));
  *elapsed_ns = std::llround(static_cast<double>(elapsed_ms) * 1e6);
  return GRIT_OK;
}

std::int32_t copy(grit_stream* stream, void* to, const void* from, std::size_t bytes, grit_why* why) {
  return check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream->stream), "cudaMemcpyAsync", why);
}

std::int32_t fill(grit_stream* stream, const grit_pattern* pattern, void* to, std::uint64_t count, grit_why* why) {
  if (!is_pattern(*pattern)) return fail(why, GRIT_INVALID, 0, "no such pattern");
  if (count == 0) return GRIT_OK;
  return check_cuda(launch_fill(stream->stream, *pattern, to, count), "filling a pattern", why);
}

std::int32_t check(grit_stream* stream, const grit_pattern* pattern, const void* values, std::uint64_t count,
                   grit_found* found, grit_why* why) {
  if (!is_pattern(*pattern) || count > std::numeric_limits<std::uint32_t>::max())
    return fail(why, GRIT_INVALID, 0, "no such pattern, or too many elements to check at once");
  return check_cuda(launch_check(stream->stream, *pattern, values, count, found), "checking a pattern", why);
}

std::int32_t update(grit_stream* stream, float* weights, const void* gradients, std::int32_t type, std::uint64_t count,
                    float rate, grit_why* why) {
  if (type != GRIT_FP32 && type != GRIT_BF16 && type != GRIT_FP16)
    return fail(why, GRIT_INVALID, 0, "gradients of no such type");
  if (count == 0) return GRIT_OK;
  return check_cuda(launch_update(stream->stream, weights, gradients, type, count, rate), "updating weights", why);
}

}  // namespace grit::accelerator
