// Device code. Every kernel takes any grid: threads go over the elements in strides of the whole grid, kChunk elements
// at a time.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include "workloads/accelerator/kernels.hpp"

namespace grit::accelerator {
namespace {

constexpr unsigned kThreads = 256;
// More blocks than any device has room for at a time would only take turns.
constexpr std::uint64_t kMostBlocks = 2048;
constexpr unsigned kChunk = 8;

dim3 blocks_for(std::uint64_t items) {
  const std::uint64_t blocks = (items + kThreads - 1) / kThreads;
  return dim3(static_cast<unsigned>(blocks < 1 ? 1 : blocks < kMostBlocks ? blocks : kMostBlocks));
}

__device__ std::uint64_t own_index() { return std::uint64_t{blockIdx.x} * blockDim.x + threadIdx.x; }
__device__ std::uint64_t stride() { return std::uint64_t{gridDim.x} * blockDim.x; }

/// Of the wrong elements the one with the smallest number stays in `first`.
__device__ void count_wrong(grit_found* found, std::uint64_t element, std::uint32_t bits) {
  atomicAdd(reinterpret_cast<unsigned long long*>(&found->wrong), 1ULL);
  atomicMin(reinterpret_cast<unsigned long long*>(&found->first),
            static_cast<unsigned long long>(element << 32 | bits));
}

/// Calls visit(element, its place in the period).
template <class Visit>
__device__ void for_each_element(std::uint64_t first, std::uint64_t count, std::uint32_t period, Visit visit) {
  for (std::uint64_t chunk = own_index(); chunk * kChunk < count; chunk += stride()) {
    const std::uint64_t begin = chunk * kChunk;
    const std::uint64_t end = begin + kChunk < count ? begin + kChunk : count;
    auto place = static_cast<std::uint32_t>((first + begin) % period);
    for (std::uint64_t i = begin; i < end; ++i) {
      visit(i, place);
      if (++place == period) place = 0;
    }
  }
}

__device__ float widened(std::uint32_t type, const void* values, std::uint64_t index) {
  if (type == GRIT_BF16) return __bfloat162float(static_cast<const __nv_bfloat16*>(values)[index]);
  if (type == GRIT_FP16) return __half2float(static_cast<const __half*>(values)[index]);
  return static_cast<const float*>(values)[index];
}

__device__ void store(std::uint32_t type, void* values, std::uint64_t index, float value) {
  if (type == GRIT_BF16)
    static_cast<__nv_bfloat16*>(values)[index] = __float2bfloat16(value);
  else if (type == GRIT_FP16)
    static_cast<__half*>(values)[index] = __float2half(value);
  else if (type == GRIT_FP8_E4M3)
    static_cast<__nv_fp8_e4m3*>(values)[index] = __nv_fp8_e4m3(value);
  else
    static_cast<float*>(values)[index] = value;
}

}  // namespace

extern "C" {

__global__ void grit_clear_found(grit_found* found) {
  found->wrong = 0;
  found->first = ~std::uint64_t{0};
}

// One for each size of an element, so that the element is a register.
#define GRIT_PATTERN_KERNELS(bits)                                                                                   \
  __global__ void grit_fill_##bits(std::uint##bits##_t* to, const std::uint##bits##_t* period,                       \
                                   std::uint32_t period_elements, std::uint64_t place, std::uint64_t count) {        \
    for_each_element(place, count, period_elements, [&](std::uint64_t i, std::uint32_t at) { to[i] = period[at]; }); \
  }                                                                                                                  \
  __global__ void grit_check_##bits(const std::uint##bits##_t* values, const std::uint##bits##_t* period,            \
                                    std::uint32_t period_elements, std::uint64_t place, std::uint64_t count,         \
                                    grit_found* found) {                                                             \
    for_each_element(place, count, period_elements, [&](std::uint64_t i, std::uint32_t at) {                         \
      if (values[i] != period[at]) count_wrong(found, i, values[i]);                                                 \
    });                                                                                                              \
  }
GRIT_PATTERN_KERNELS(8)
GRIT_PATTERN_KERNELS(16)
GRIT_PATTERN_KERNELS(32)
#undef GRIT_PATTERN_KERNELS

// Rounded after the multiplication and after the subtraction, as the host does it: not fused into one rounding.
__global__ void grit_update(float* weights, const void* gradients, std::uint32_t type, std::uint64_t count,
                            float rate) {
  for (std::uint64_t i = own_index(); i < count; i += stride())
    weights[i] = __fsub_rn(weights[i], __fmul_rn(rate, widened(type, gradients, i)));
}

__global__ void grit_operand(void* matrix, std::uint32_t type, std::uint32_t size, std::uint32_t which) {
  const auto operand = static_cast<Operand>(which);
  for (std::uint64_t i = own_index(); i < std::uint64_t{size} * size; i += stride()) {
    const int value =
        outer(operand, static_cast<std::uint32_t>(i / size)) * inner(operand, static_cast<std::uint32_t>(i % size));
    store(type, matrix, i, static_cast<float>(value));
  }
}

// Written so that a NaN is wrong as well.
__global__ void grit_check_product(const float* product, std::uint32_t size, float scale, grit_found* found) {
  for (std::uint64_t i = own_index(); i < std::uint64_t{size} * size; i += stride()) {
    const int factor = outer(Operand::a, static_cast<std::uint32_t>(i % size)) *
                       outer(Operand::b, static_cast<std::uint32_t>(i / size));
    if (!(product[i] == scale * static_cast<float>(factor))) count_wrong(found, i, __float_as_uint(product[i]));
  }
}

}  // extern "C"

namespace {

// cudaLaunchKernel takes the addresses of the arguments, which must be of the kernel's own types.
template <class... Parameters>
cudaError_t launch(void (*kernel)(Parameters...), dim3 blocks, unsigned threads, cudaStream_t stream,
                   Parameters... arguments) {
  void* addresses[] = {&arguments...};
  return cudaLaunchKernel(reinterpret_cast<const void*>(kernel), blocks, dim3(threads), addresses, 0, stream);
}

cudaError_t clear(cudaStream_t stream, grit_found* found) {
  return launch(grit_clear_found, dim3(1), 1, stream, found);
}

template <class Element>
cudaError_t fill_as(void (*kernel)(Element*, const Element*, std::uint32_t, std::uint64_t, std::uint64_t),
                    cudaStream_t stream, const grit_pattern& pattern, void* to, std::uint64_t count) {
  return launch(kernel, blocks_for((count + kChunk - 1) / kChunk), kThreads, stream, static_cast<Element*>(to),
                static_cast<const Element*>(pattern.period), pattern.period_elements, pattern.place, count);
}

template <class Element>
cudaError_t check_as(void (*kernel)(const Element*, const Element*, std::uint32_t, std::uint64_t, std::uint64_t,
                                    grit_found*),
                     cudaStream_t stream, const grit_pattern& pattern, const void* values, std::uint64_t count,
                     grit_found* found) {
  return launch(kernel, blocks_for((count + kChunk - 1) / kChunk), kThreads, stream,
                static_cast<const Element*>(values), static_cast<const Element*>(pattern.period),
                pattern.period_elements, pattern.place, count, found);
}

}  // namespace

cudaError_t launch_fill(cudaStream_t stream, const grit_pattern& pattern, void* to, std::uint64_t count) {
  if (pattern.element_bytes == 4) return fill_as(grit_fill_32, stream, pattern, to, count);
  if (pattern.element_bytes == 2) return fill_as(grit_fill_16, stream, pattern, to, count);
  return fill_as(grit_fill_8, stream, pattern, to, count);
}

cudaError_t launch_check(cudaStream_t stream, const grit_pattern& pattern, const void* values, std::uint64_t count,
                         grit_found* found) {
  if (const cudaError_t code = clear(stream, found); code != cudaSuccess) return code;
  if (pattern.element_bytes == 4) return check_as(grit_check_32, stream, pattern, values, count, found);
  if (pattern.element_bytes == 2) return check_as(grit_check_16, stream, pattern, values, count, found);
  return check_as(grit_check_8, stream, pattern, values, count, found);
}

cudaError_t launch_update(cudaStream_t stream, float* weights, const void* gradients, std::int32_t type,
                          std::uint64_t count, float rate) {
  return launch(grit_update, blocks_for(count), kThreads, stream, weights, gradients, static_cast<std::uint32_t>(type),
                count, rate);
}

cudaError_t launch_operand(cudaStream_t stream, void* matrix, std::int32_t type, std::uint32_t size, Operand operand) {
  return launch(grit_operand, blocks_for(std::uint64_t{size} * size), kThreads, stream, matrix,
                static_cast<std::uint32_t>(type), size, static_cast<std::uint32_t>(operand));
}

cudaError_t launch_check_product(cudaStream_t stream, const float* product, std::uint32_t size, float alpha,
                                 grit_found* found) {
  if (const cudaError_t code = clear(stream, found); code != cudaSuccess) return code;
  const float scale = alpha * static_cast<float>(inner_sum(static_cast<int>(size)));
  return launch(grit_check_product, blocks_for(std::uint64_t{size} * size), kThreads, stream, product, size, scale,
                found);
}

}  // namespace grit::accelerator
