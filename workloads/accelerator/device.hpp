// The table's functions for devices, memory, streams, events and the module's own kernels: module.h says what each
// does.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "workloads/accelerator/module.h"

struct grit_device {
  int index = 0;
};
struct grit_stream {
  cudaStream_t stream = nullptr;
};
struct grit_event {
  cudaEvent_t event = nullptr;
};

namespace grit::accelerator {

std::int32_t device_count(std::int32_t* devices, grit_why* why);
std::int32_t device_facts(std::int32_t index, grit_device_facts* facts, grit_why* why);
std::int32_t device_open(std::int32_t index, grit_device** device, grit_why* why);
void device_close(grit_device* device);
std::int32_t device_free_bytes(grit_device* device, std::uint64_t* free_bytes, grit_why* why);

std::int32_t allocate(grit_device* device, std::int32_t kind, std::size_t bytes, void** memory, grit_why* why);
void release(grit_device* device, std::int32_t kind, void* memory);

std::int32_t stream_create(grit_device* device, std::int32_t urgent, grit_stream** stream, grit_why* why);
void stream_destroy(grit_stream* stream);
std::int32_t stream_wait(grit_stream* stream, grit_event* event, grit_why* why);

std::int32_t event_create(grit_device* device, grit_event** event, grit_why* why);
void event_destroy(grit_event* event);
std::int32_t event_record(grit_event* event, grit_stream* stream, grit_why* why);
std::int32_t event_state(grit_event* event, grit_why* why);
std::int32_t event_elapsed(grit_event* from, grit_event* to, std::int64_t* elapsed_ns, grit_why* why);

std::int32_t copy(grit_stream* stream, void* to, const void* from, std::size_t bytes, grit_why* why);
std::int32_t fill(grit_stream* stream, const grit_pattern* pattern, void* to, std::uint64_t count, grit_why* why);
std::int32_t check(grit_stream* stream, const grit_pattern* pattern, const void* values, std::uint64_t count,
                   grit_found* found, grit_why* why);
std::int32_t update(grit_stream* stream, float* weights, const void* gradients, std::int32_t type, std::uint64_t count,
                    float rate, grit_why* why);

}  // namespace grit::accelerator
