// The kernel by which a fault holds multiprocessors.
#include "workloads/accelerator/hog.hpp"

namespace grit::accelerator {
namespace {

// One warp, of which one thread counts: what holds the multiprocessor is the block's shared memory.
constexpr unsigned kThreads = 32;
// Two readings of the timer follow each other within this, unless another process had the device meanwhile, whose turns
// take milliseconds. The timer's own step is not documented (PTX ISA, %globaltimer): where it is longer than this, all
// of the time counts as away, and the fault is seen not to act.
constexpr std::uint64_t kAway_ns = 100'000;

__device__ std::uint64_t device_ns() {
  std::uint64_t now_ns = 0;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now_ns));
  return now_ns;
}

__device__ unsigned own_multiprocessor() {
  unsigned number = 0;
  asm volatile("mov.u32 %0, %%smid;" : "=r"(number));
  return number;
}

__device__ void add(std::uint64_t* to, std::uint64_t value) {
  atomicAdd(reinterpret_cast<unsigned long long*>(to), static_cast<unsigned long long>(value));
}

}  // namespace

extern "C" __global__ void __launch_bounds__(kThreads) grit_occupy(std::uint64_t length_ns, grit_occupied* occupied) {
  if (threadIdx.x != 0) return;
  const std::uint64_t begin_ns = device_ns();
  std::uint64_t held_ns = 0, away_ns = 0;
  for (std::uint64_t last_ns = begin_ns; held_ns < length_ns && last_ns - begin_ns < GRIT_LONGEST_SLICE_NS;) {
    const std::uint64_t now_ns = device_ns(), step_ns = now_ns - last_ns;
    (step_ns < kAway_ns ? held_ns : away_ns) += step_ns;
    last_ns = now_ns;
  }
  add(&occupied->held_ns, held_ns);
  add(&occupied->away_ns, away_ns);
  add(&occupied->blocks, 1);
  const unsigned number = own_multiprocessor();
  if (number < GRIT_MOST_MULTIPROCESSORS)
    atomicOr(reinterpret_cast<unsigned long long*>(&occupied->seen[number / 64]), 1ULL << (number % 64));
}

cudaError_t allow_occupy(std::size_t shared_bytes) {
  return cudaFuncSetAttribute(reinterpret_cast<const void*>(grit_occupy), cudaFuncAttributeMaxDynamicSharedMemorySize,
                              static_cast<int>(shared_bytes));
}

cudaError_t launch_occupy(cudaStream_t stream, std::uint32_t blocks, std::uint64_t length_ns, std::size_t shared_bytes,
                          grit_occupied* occupied) {
  void* arguments[] = {&length_ns, &occupied};
  return cudaLaunchKernel(reinterpret_cast<const void*>(grit_occupy), dim3(blocks), dim3(kThreads), arguments,
                          shared_bytes, stream);
}

}  // namespace grit::accelerator
