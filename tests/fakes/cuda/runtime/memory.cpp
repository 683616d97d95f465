// Memory, all of it the host's: what the runtime gave out, and copies, which it checks against that.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "tests/fakes/cuda/runtime/runtime.hpp"

using namespace grit::fake;

namespace {

constexpr std::align_val_t kAlignment{256};

cudaError_t allocate(void** pointer, std::size_t size_bytes, Place place, unsigned flags = 0) {
  *pointer = nullptr;
  if (size_bytes == 0) return cudaSuccess;
  const int device = current_device();
  Device& one = runtime().devices[device];
  const bool on_device = place == Place::device || place == Place::managed;
  const auto total_bytes = static_cast<std::size_t>(number_of(device, "memory_bytes", 1024.0 * 1024 * 1024));
  if (on_device && size_bytes > total_bytes - std::min(one.used_bytes, total_bytes)) return cudaErrorMemoryAllocation;
  *pointer = ::operator new(size_bytes, kAlignment, std::nothrow);
  if (*pointer == nullptr) return cudaErrorMemoryAllocation;
  if (on_device) one.used_bytes += size_bytes;
  runtime().blocks[reinterpret_cast<std::uintptr_t>(*pointer)] = {place, size_bytes, device, flags};
  return cudaSuccess;
}

/// The mutex is held.
cudaError_t release(void* pointer, bool is_host) {
  if (pointer == nullptr) return cudaSuccess;
  const auto found = runtime().blocks.find(reinterpret_cast<std::uintptr_t>(pointer));
  if (found == runtime().blocks.end() || (found->second.place == Place::host) != is_host ||
      found->second.place == Place::registered)
    return cudaErrorInvalidValue;
  if (!is_host) runtime().devices[found->second.device].used_bytes -= found->second.size_bytes;
  runtime().blocks.erase(found);
  ::operator delete(pointer, kAlignment);
  return cudaSuccess;
}

bool is_on_device(const Block* block) {
  return block != nullptr && (block->place == Place::device || block->place == Place::managed);
}
bool is_pageable(const Block* block) { return block == nullptr; }

/// Both ends are where `kind` says, and none leaves its block.
bool is_copy(const void* to, const void* from, std::size_t size_bytes, cudaMemcpyKind kind) {
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  const Block* target = runtime().find_block(to, size_bytes);
  const Block* source = runtime().find_block(from, size_bytes);
  // A range that begins in a block and ends outside of it has no block; with one byte it has.
  if ((!target && runtime().find_block(to, 1)) || (!source && runtime().find_block(from, 1))) return false;
  if (kind == cudaMemcpyDefault) return true;
  return (!to_device || is_on_device(target)) && (!from_device || is_on_device(source));
}

Work copy_work(int device, void* to, const void* from, std::size_t size_bytes) {
  return [=] {
    const auto start = Clock::now();
    std::memmove(to, from, size_bytes);
    if (const double rate = number_of(device, "copy_bytes_per_s", 0); rate > 0)
      keep_to(start, static_cast<double>(size_bytes) / rate);
    return cudaSuccess;
  };
}

/// From pageable memory it is staged before this returns; to pageable memory it is done.
cudaError_t copy(const std::shared_ptr<CUstream_st>& stream, const Call& call, Lock& lock, void* to, const void* from,
                 std::size_t size_bytes, cudaMemcpyKind kind) {
  if (size_bytes == 0) return cudaSuccess;
  if (!is_copy(to, from, size_bytes, kind)) return cudaErrorInvalidValue;
  Runtime& all = runtime();
  if (is_pageable(all.find_block(from, 1)) && !is_pageable(all.find_block(to, 1))) {
    const auto* bytes = static_cast<const char*>(from);
    const auto staged = std::make_shared<std::vector<char>>(bytes, bytes + size_bytes);
    all.enqueue(stream, call, [=, work = copy_work(stream->device, to, staged->data(), size_bytes)] {
      return staged ? work() : cudaSuccess;
    });
    return cudaSuccess;
  }
  const Ticket done = all.enqueue(stream, call, copy_work(stream->device, to, from, size_bytes));
  return is_pageable(all.find_block(to, 1)) ? all.wait_to_the_end(done, lock) : cudaSuccess;
}

/// A copy that the host waits for.
cudaError_t copy_now(const char* function, void* to, const void* from, std::size_t size_bytes, cudaMemcpyKind kind) {
  return api(function, Needs::device, [&](const Call& call, Lock& lock) {
    const auto stream = runtime().find_stream(nullptr);
    const cudaError_t code = copy(stream, call, lock, to, from, size_bytes, kind);
    return code == cudaSuccess ? runtime().wait({stream, stream->enqueued}, lock) : code;
  });
}

cudaError_t copy_later(const char* function, void* to, const void* from, std::size_t size_bytes, cudaMemcpyKind kind,
                       cudaStream_t handle) {
  return api(function, Needs::device, [&](const Call& call, Lock& lock) {
    const auto stream = runtime().find_stream(handle);
    return stream ? copy(stream, call, lock, to, from, size_bytes, kind) : cudaErrorInvalidResourceHandle;
  });
}

cudaError_t fill(const char* function, void* to, int value, std::size_t size_bytes, cudaStream_t handle) {
  return api(function, Needs::device, [&](const Call& call, Lock&) {
    const auto stream = runtime().find_stream(handle);
    if (!stream) return cudaErrorInvalidResourceHandle;
    if (size_bytes == 0) return cudaSuccess;
    if (runtime().find_block(to, size_bytes) == nullptr) return cudaErrorInvalidValue;
    runtime().enqueue(stream, call, [=] { return std::memset(to, value, size_bytes), cudaSuccess; });
    return cudaSuccess;
  });
}

}  // namespace

extern "C" {

cudaError_t cudaMalloc(void** pointer, size_t size_bytes) {
  return api(__func__, Needs::device, [&](const Call&, Lock&) { return allocate(pointer, size_bytes, Place::device); });
}
cudaError_t cudaMallocManaged(void** pointer, size_t size_bytes, unsigned flags) {
  return api(__func__, Needs::device,
             [&](const Call&, Lock&) { return allocate(pointer, size_bytes, Place::managed, flags); });
}
cudaError_t cudaMallocAsync(void** pointer, size_t size_bytes, cudaStream_t handle) {
  return api(__func__, Needs::device, [&](const Call&, Lock&) {
    if (!runtime().find_stream(handle)) return cudaErrorInvalidResourceHandle;
    return allocate(pointer, size_bytes, Place::device);
  });
}
cudaError_t cudaMallocHost(void** pointer, size_t size_bytes) {
  return api(__func__, Needs::device, [&](const Call&, Lock&) { return allocate(pointer, size_bytes, Place::host); });
}
cudaError_t cudaHostAlloc(void** pointer, size_t size_bytes, unsigned flags) {
  return api(__func__, Needs::device,
             [&](const Call&, Lock&) { return allocate(pointer, size_bytes, Place::host, flags); });
}

/// Both wait for all work of the device before, as the real ones do.
cudaError_t cudaFree(void* pointer) {
  return api(__func__, Needs::device, [&](const Call&, Lock& lock) {
    const cudaError_t code = runtime().wait_for_device(current_device(), lock);
    return code == cudaSuccess ? release(pointer, false) : code;
  });
}
cudaError_t cudaFreeHost(void* pointer) {
  return api(__func__, Needs::device, [&](const Call&, Lock& lock) {
    const cudaError_t code = runtime().wait_for_device(current_device(), lock);
    return code == cudaSuccess ? release(pointer, true) : code;
  });
}
cudaError_t cudaFreeAsync(void* pointer, cudaStream_t handle) {
  return api(__func__, Needs::device, [&](const Call& call, Lock&) {
    const auto stream = runtime().find_stream(handle);
    if (!stream) return cudaErrorInvalidResourceHandle;
    if (!is_on_device(runtime().find_block(pointer, 1))) return cudaErrorInvalidValue;
    runtime().enqueue(stream, call, [pointer] {
      const Lock lock(runtime().mutex);
      return release(pointer, false);
    });
    return cudaSuccess;
  });
}

cudaError_t cudaHostRegister(void* pointer, size_t size_bytes, unsigned flags) {
  return api(__func__, Needs::device, [&](const Call&, Lock&) {
    if (pointer == nullptr || size_bytes == 0) return cudaErrorInvalidValue;
    if (runtime().find_block(pointer, 1) != nullptr) return cudaErrorHostMemoryAlreadyRegistered;
    runtime().blocks[reinterpret_cast<std::uintptr_t>(pointer)] = {Place::registered, size_bytes, current_device(),
                                                                   flags};
    return cudaSuccess;
  });
}
cudaError_t cudaHostUnregister(void* pointer) {
  return api(__func__, Needs::device, [&](const Call&, Lock&) {
    const auto found = runtime().blocks.find(reinterpret_cast<std::uintptr_t>(pointer));
    if (found == runtime().blocks.end() || found->second.place != Place::registered)
      return cudaErrorHostMemoryNotRegistered;
    runtime().blocks.erase(found);
    return cudaSuccess;
  });
}
cudaError_t cudaHostGetDevicePointer(void** device_pointer, void* pointer, unsigned) {
  return api(__func__, Needs::device, [&](const Call&, Lock&) {
    const Block* block = runtime().find_block(pointer, 1);
    if (block == nullptr || is_on_device(block)) return cudaErrorInvalidValue;
    return *device_pointer = pointer, cudaSuccess;
  });
}
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  return api(__func__, Needs::device, [&](const Call&, Lock&) {
    const Block* block = runtime().find_block(pointer, 1);
    std::memset(attributes, 0, sizeof *attributes);
    attributes->type = cudaMemoryTypeUnregistered;
    attributes->device = -2;  // cudaInvalidDeviceId
    attributes->hostPointer = const_cast<void*>(pointer);
    if (block == nullptr) return cudaSuccess;
    attributes->type = block->place == Place::device    ? cudaMemoryTypeDevice
                       : block->place == Place::managed ? cudaMemoryTypeManaged
                                                        : cudaMemoryTypeHost;
    attributes->device = block->device;
    attributes->devicePointer = const_cast<void*>(pointer);
    if (block->place == Place::device) attributes->hostPointer = nullptr;
    return cudaSuccess;
  });
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t size_bytes, cudaMemcpyKind kind) {
  return copy_now(__func__, to, from, size_bytes, kind);
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t size_bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  return copy_later(__func__, to, from, size_bytes, kind, stream);
}
cudaError_t cudaMemcpyPeer(void* to, int, const void* from, int, size_t size_bytes) {
  return copy_now(__func__, to, from, size_bytes, cudaMemcpyDeviceToDevice);
}
cudaError_t cudaMemcpyPeerAsync(void* to, int, const void* from, int, size_t size_bytes, cudaStream_t stream) {
  return copy_later(__func__, to, from, size_bytes, cudaMemcpyDeviceToDevice, stream);
}
cudaError_t cudaMemset(void* to, int value, size_t size_bytes) {
  return fill(__func__, to, value, size_bytes, nullptr);
}
cudaError_t cudaMemsetAsync(void* to, int value, size_t size_bytes, cudaStream_t stream) {
  return fill(__func__, to, value, size_bytes, stream);
}

}  // extern "C"
