// Streams, events, memory and kernels.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <numeric>

#include "tests/fakes/cuda/runtime/link.hpp"
#include "tests/fakes/cuda/scenarios/scenario.hpp"

namespace grit::scenarios {
namespace {

constexpr double kLong_s = 0.05;

struct Step {
  std::vector<int>* order;
  int number;
};
void note_step(void* data) {
  const auto* step = static_cast<Step*>(data);
  step->order->push_back(step->number);
}

void work_of_a_stream_is_in_order(const Rank&) {
  const cudaStream_t stream = make_stream();
  std::vector<int> order, wanted(100);
  std::iota(wanted.begin(), wanted.end(), 0);
  std::vector<Step> steps;
  for (const int number : wanted) steps.push_back({&order, number});
  for (Step& step : steps) EXPECT_OK(cudaLaunchHostFunc(stream, note_step, &step));
  EXPECT_OK(cudaStreamSynchronize(stream));
  EXPECT_TRUE(order == wanted);
  EXPECT_OK(cudaStreamDestroy(stream));
  EXPECT_IS(cudaStreamQuery(stream), cudaErrorInvalidResourceHandle);
}

void streams_do_not_wait_for_each_other(const Rank&) {
  const cudaStream_t held = make_stream(), free = make_stream();
  Gate gate;
  gate.put_into(held);
  std::vector<int> order;
  Step step{&order, 1};
  EXPECT_OK(cudaLaunchHostFunc(free, note_step, &step));
  EXPECT_OK(cudaStreamSynchronize(free));
  EXPECT_IS(order.size(), 1);
  EXPECT_IS(cudaStreamQuery(held), cudaErrorNotReady);
  EXPECT_OK(cudaStreamQuery(free));
  gate.open();
  EXPECT_OK(cudaStreamSynchronize(held));
  EXPECT_OK(cudaStreamQuery(held));
}

void a_stream_waits_for_an_event(const Rank&) {
  const cudaStream_t first = make_stream(), second = make_stream();
  cudaEvent_t event = nullptr;
  EXPECT_OK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  EXPECT_OK(cudaStreamWaitEvent(second, event, 0));  // not recorded: for nothing
  EXPECT_OK(cudaStreamSynchronize(second));
  Gate gate;
  std::vector<int> order;
  Step before{&order, 1}, after{&order, 2};
  gate.put_into(first);
  EXPECT_OK(cudaLaunchHostFunc(first, note_step, &before));
  EXPECT_OK(cudaEventRecord(event, first));
  EXPECT_OK(cudaStreamWaitEvent(second, event, 0));
  EXPECT_OK(cudaLaunchHostFunc(second, note_step, &after));
  sleep_s(kLong_s);
  EXPECT_IS(cudaStreamQuery(second), cudaErrorNotReady);
  EXPECT_IS(cudaEventQuery(event), cudaErrorNotReady);
  gate.open();
  EXPECT_OK(cudaStreamSynchronize(second));
  EXPECT_TRUE((order == std::vector<int>{1, 2}));
  EXPECT_OK(cudaEventQuery(event));
}

/// The legacy default stream waits for the streams that are not non-blocking, and they for it.
void stream_0_and_blocking_streams_wait(const Rank&) {
  const cudaStream_t blocking = make_stream(cudaStreamDefault), other = make_stream();
  Gate gate;
  std::vector<int> order;
  Step steps[] = {{&order, 1}, {&order, 2}, {&order, 3}};
  gate.put_into(blocking);
  EXPECT_OK(cudaLaunchHostFunc(blocking, note_step, &steps[0]));
  EXPECT_OK(cudaLaunchHostFunc(nullptr, note_step, &steps[1]));
  EXPECT_OK(cudaLaunchHostFunc(blocking, note_step, &steps[2]));
  EXPECT_OK(cudaStreamSynchronize(other));
  EXPECT_IS(cudaStreamQuery(nullptr), cudaErrorNotReady);
  gate.open();
  EXPECT_OK(cudaDeviceSynchronize());
  EXPECT_TRUE((order == std::vector<int>{1, 2, 3}));
}

void events_tell_times(const Rank&) {
  const cudaStream_t stream = make_stream();
  cudaEvent_t start = nullptr, end = nullptr, without_time = nullptr;
  EXPECT_OK(cudaEventCreate(&start));
  EXPECT_OK(cudaEventCreate(&end));
  EXPECT_OK(cudaEventCreateWithFlags(&without_time, cudaEventDisableTiming));
  float ms = 0;
  EXPECT_IS(cudaEventElapsedTime(&ms, start, end), cudaErrorInvalidResourceHandle);
  EXPECT_OK(cudaEventQuery(start));  // never recorded
  EXPECT_OK(cudaEventRecord(start, stream));
  EXPECT_OK(cudaEventSynchronize(start));
  Gate gate;
  gate.put_into(stream);
  EXPECT_OK(cudaEventRecord(end, stream));
  EXPECT_IS(cudaEventElapsedTime(&ms, start, end), cudaErrorNotReady);
  sleep_s(kLong_s);
  gate.open();
  EXPECT_OK(cudaEventSynchronize(end));
  EXPECT_OK(cudaEventElapsedTime(&ms, start, end));
  EXPECT_TRUE(ms >= kLong_s * 1e3 && ms < 100 * kLong_s * 1e3);
  EXPECT_OK(cudaEventElapsedTime(&ms, end, start));
  EXPECT_TRUE(ms < 0);
  EXPECT_OK(cudaEventRecord(without_time, stream));
  EXPECT_OK(cudaEventSynchronize(without_time));
  EXPECT_IS(cudaEventElapsedTime(&ms, start, without_time), cudaErrorInvalidResourceHandle);
  EXPECT_OK(cudaEventDestroy(end));
  EXPECT_IS(cudaEventQuery(end), cudaErrorInvalidResourceHandle);
}

void an_error_is_kept_until_it_was_read(const Rank&) {
  EXPECT_IS(cudaEventQuery(nullptr), cudaErrorInvalidResourceHandle);
  EXPECT_OK(cudaDeviceSynchronize());
  EXPECT_IS(cudaPeekAtLastError(), cudaErrorInvalidResourceHandle);
  EXPECT_IS(cudaGetLastError(), cudaErrorInvalidResourceHandle);
  EXPECT_OK(cudaGetLastError());
  EXPECT_IS(cudaSetDevice(2), cudaErrorInvalidDevice);
}

void memory_has_an_end(const Rank&) {
  std::size_t free_bytes = 0, total_bytes = 0;
  EXPECT_OK(cudaMemGetInfo(&free_bytes, &total_bytes));
  EXPECT_IS(total_bytes, 1'000'000);
  EXPECT_IS(free_bytes, 1'000'000);
  void *first = nullptr, *second = nullptr;
  EXPECT_OK(cudaMalloc(&first, 600'000));
  EXPECT_IS(reinterpret_cast<std::uintptr_t>(first) % 256, 0);
  EXPECT_IS(cudaMalloc(&second, 600'000), cudaErrorMemoryAllocation);
  EXPECT_OK(cudaMemGetInfo(&free_bytes, &total_bytes));
  EXPECT_IS(free_bytes, 400'000);
  EXPECT_OK(cudaFree(first));
  EXPECT_IS(cudaFree(first), cudaErrorInvalidValue);
  EXPECT_OK(cudaFree(nullptr));
  EXPECT_OK(cudaMalloc(&second, 600'000));
  EXPECT_OK(cudaHostAlloc(&first, 2'000'000, cudaHostAllocDefault));
  EXPECT_IS(cudaFree(first), cudaErrorInvalidValue);
  cudaPointerAttributes attributes;
  EXPECT_OK(cudaPointerGetAttributes(&attributes, static_cast<char*>(first) + 5));
  EXPECT_IS(attributes.type, cudaMemoryTypeHost);
  EXPECT_OK(cudaPointerGetAttributes(&attributes, second));
  EXPECT_IS(attributes.type, cudaMemoryTypeDevice);
  EXPECT_OK(cudaPointerGetAttributes(&attributes, &attributes));
  EXPECT_IS(attributes.type, cudaMemoryTypeUnregistered);
  EXPECT_OK(cudaFreeHost(first));
}

void copies_are_checked(const Rank&) {
  const std::vector<int> values{1, 2, 3, 4};
  const auto bytes = values.size() * sizeof(int);
  int* device = on_device(values);
  EXPECT_TRUE(from_device(device, 4) == values);
  std::vector<int> host(8);
  EXPECT_IS(cudaMemcpy(host.data(), device, 2 * bytes, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
  EXPECT_IS(cudaMemcpy(host.data(), values.data(), bytes, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  EXPECT_IS(cudaMemcpy(device, host.data(), bytes, cudaMemcpyDeviceToDevice), cudaErrorInvalidValue);
  EXPECT_IS(cudaMemset(host.data(), 0, bytes), cudaErrorInvalidValue);
  EXPECT_OK(cudaMemset(device, 0xff, sizeof(int)));
  EXPECT_TRUE((from_device(device, 4) == std::vector<int>{-1, 2, 3, 4}));
}

void pinned_memory_is_copied_later_pageable_now(const Rank&) {
  const cudaStream_t stream = make_stream();
  int* device = on_device(std::vector<int>{0});
  int* pinned = nullptr;
  EXPECT_OK(cudaHostAlloc(reinterpret_cast<void**>(&pinned), sizeof(int), cudaHostAllocDefault));
  Gate gate;
  gate.put_into(stream);
  int pageable = 5;
  *pinned = 6;
  EXPECT_OK(cudaMemcpyAsync(device, &pageable, sizeof(int), cudaMemcpyHostToDevice, stream));
  pageable = 50;  // was staged
  EXPECT_OK(cudaMemcpyAsync(pinned, device, sizeof(int), cudaMemcpyDeviceToHost, stream));
  EXPECT_IS(*pinned, 6);  // not yet
  gate.open();
  EXPECT_OK(cudaStreamSynchronize(stream));
  EXPECT_IS(*pinned, 5);
  *pinned = 7;
  EXPECT_OK(cudaMemcpyAsync(device, pinned, sizeof(int), cudaMemcpyHostToDevice, stream));
  EXPECT_OK(cudaMemcpyAsync(&pageable, device, sizeof(int), cudaMemcpyDeviceToHost, stream));
  EXPECT_IS(pageable, 7);  // without a wait
}

void add(dim3 grid, dim3 block, int* values, int count, int summand) {
  const int threads = static_cast<int>(grid.x * block.x);
  for (int i = 0; i < std::min(count, threads); ++i) values[i] += summand;
}

void kernels_run_by_name(const Rank&) {
  const cudaStream_t stream = make_stream();
  grit_fake_add_kernel("add<int>", fake::host_kernel(add));
  // void grit::(anonymous namespace)::add<int>(int*, int, int)
  const void* const kernel = register_kernel("_ZN4grit12_GLOBAL__N_13addIiEEvPT_ii");
  int* device = on_device(std::vector<int>(4, 10));
  int count = 4, summand = 1;
  void* arguments[] = {&device, &count, &summand};
  Gate gate;
  gate.put_into(stream);
  EXPECT_OK(cudaLaunchKernel(kernel, dim3(2), dim3(2), arguments, 0, stream));
  summand = 100;  // the launch took the arguments
  EXPECT_OK(cudaLaunchKernel(kernel, dim3(1), dim3(2), arguments, 0, stream));
  gate.open();
  EXPECT_OK(cudaStreamSynchronize(stream));
  EXPECT_TRUE((from_device(device, 4) == std::vector<int>{111, 111, 11, 11}));
  EXPECT_IS(cudaLaunchKernel(kernel, dim3(0), dim3(2), arguments, 0, stream), cudaErrorInvalidConfiguration);
  EXPECT_IS(cudaLaunchKernel(kernel, dim3(1), dim3(1025), arguments, 0, stream), cudaErrorInvalidConfiguration);
  EXPECT_IS(cudaLaunchKernel(&count, dim3(1), dim3(1), arguments, 0, stream), cudaErrorInvalidDeviceFunction);
  const void* const unknown = register_kernel("nobody_knows_me");
  EXPECT_IS(cudaLaunchKernel(unknown, dim3(1), dim3(1), arguments, 0, stream), cudaErrorNoKernelImageForDevice);
}

void devices_say_fake(const Rank&) {
  int count = 0, version = 0;
  EXPECT_OK(cudaGetDeviceCount(&count));
  EXPECT_IS(count, 2);
  EXPECT_OK(cudaRuntimeGetVersion(&version));
  EXPECT_IS(version, CUDART_VERSION);
  cudaDeviceProp properties;
  EXPECT_OK(cudaGetDeviceProperties(&properties, 1));
  EXPECT_TRUE(std::strcmp(properties.name, "FAKE GPU") == 0);
  EXPECT_IS(properties.pciBusID, 0x41);
  char address[16];
  EXPECT_OK(cudaDeviceGetPCIBusId(address, sizeof address, 1));
  EXPECT_TRUE(std::strcmp(address, "0000:41:00.0") == 0);
  int device = -1;
  EXPECT_OK(cudaDeviceGetByPCIBusId(&device, address));
  EXPECT_IS(device, 1);
  EXPECT_OK(cudaSetDevice(1));
#if CUDART_VERSION >= 12080  // which has it
  device = -1;
  EXPECT_OK(cudaStreamGetDevice(make_stream(), &device));
  EXPECT_IS(device, 1);
#endif
}

}  // namespace

std::vector<Scenario> runtime_scenarios() {
  return {
      {"work of a stream is in order", 1, "", work_of_a_stream_is_in_order},
      {"streams do not wait for each other", 1, "", streams_do_not_wait_for_each_other},
      {"a stream waits for an event", 1, "", a_stream_waits_for_an_event},
      {"stream 0 and blocking streams wait", 1, "", stream_0_and_blocking_streams_wait},
      {"events tell times", 1, "", events_tell_times},
      {"an error is kept until it was read", 1, "", an_error_is_kept_until_it_was_read},
      {"memory has an end", 1, "gpu0.memory_bytes 1e6\n", memory_has_an_end},
      {"copies are checked", 1, "", copies_are_checked},
      {"pinned memory is copied later, pageable now", 1, "", pinned_memory_is_copied_later_pageable_now},
      {"kernels run by name", 1, "", kernels_run_by_name},
      {"devices say FAKE", 1, "devices 2\ngpu1.pci 0000:41:00.0\n", devices_say_fake},
  };
}

}  // namespace grit::scenarios
