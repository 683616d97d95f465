#include "tests/fakes/cuda/runtime/kernels.hpp"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdint>

#include "tests/fakes/cuda/script.hpp"
#include "workloads/accelerator/module.h"
#include "workloads/accelerator/operands.h"

namespace grit::fake {
namespace {

using accelerator::Operand;

void count_wrong(grit_found* found, std::uint64_t element, std::uint32_t bits) {
  ++found->wrong;
  found->first = std::min(found->first, element << 32 | bits);
}

void clear_found(dim3, dim3, grit_found* found) { *found = {.wrong = 0, .first = UINT64_MAX}; }

template <class Element>
void fill(dim3, dim3, Element* to, const Element* period, std::uint32_t period_elements, std::uint64_t place,
          std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) to[i] = period[(place + i) % period_elements];
}

template <class Element>
void check(dim3, dim3, const Element* values, const Element* period, std::uint32_t period_elements, std::uint64_t place,
           std::uint64_t count, grit_found* found) {
  for (std::uint64_t i = 0; i < count; ++i)
    if (values[i] != period[(place + i) % period_elements]) count_wrong(found, i, values[i]);
}

float widened(std::uint32_t type, const void* values, std::uint64_t index) {
  if (type == GRIT_BF16) return __bfloat162float(static_cast<const __nv_bfloat16*>(values)[index]);
  if (type == GRIT_FP16) return __half2float(static_cast<const __half*>(values)[index]);
  return static_cast<const float*>(values)[index];
}

/// Two statements, and no contraction (-ffp-contract=off): rounded twice.
void update(dim3, dim3, float* weights, const void* gradients, std::uint32_t type, std::uint64_t count, float rate) {
  for (std::uint64_t i = 0; i < count; ++i) {
    const float change = rate * widened(type, gradients, i);
    weights[i] = weights[i] - change;
  }
}

void operand(dim3, dim3, void* matrix, std::uint32_t type, std::uint32_t size, std::uint32_t which) {
  const auto side = static_cast<Operand>(which);
  for (std::uint32_t row = 0; row < size; ++row) {
    for (std::uint32_t k = 0; k < size; ++k) {
      const auto value = static_cast<float>(accelerator::outer(side, row) * accelerator::inner(side, k));
      const std::size_t at = std::size_t{row} * size + k;
      if (type == GRIT_BF16)
        static_cast<__nv_bfloat16*>(matrix)[at] = __float2bfloat16(value);
      else if (type == GRIT_FP16)
        static_cast<__half*>(matrix)[at] = __float2half(value);
      else if (type == GRIT_FP8_E4M3)
        static_cast<__nv_fp8_e4m3*>(matrix)[at] = __nv_fp8_e4m3(value);
      else
        static_cast<float*>(matrix)[at] = value;
    }
  }
}

void check_product(dim3, dim3, const float* product, std::uint32_t size, float scale, grit_found* found) {
  for (std::uint32_t j = 0; j < size; ++j) {
    for (std::uint32_t i = 0; i < size; ++i) {
      const int factor = accelerator::outer(Operand::a, i) * accelerator::outer(Operand::b, j);
      const std::size_t at = std::size_t{j} * size + i;
      if (product[at] == scale * static_cast<float>(factor)) continue;
      count_wrong(found, at, std::bit_cast<std::uint32_t>(product[at]));
    }
  }
}

/// All blocks at once, each on a multiprocessor of its own; what the host sleeps longer is another process's turn.
void occupy(dim3 grid, dim3, std::uint64_t length_ns, grit_occupied* occupied) {
  const auto begin = std::chrono::steady_clock::now();
  keep_to(begin, static_cast<double>(length_ns) / 1e9);
  const auto slept = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - begin);
  const auto took_ns = static_cast<std::uint64_t>(slept.count()), held_ns = std::min(took_ns, length_ns);
  occupied->held_ns += grid.x * held_ns;
  occupied->away_ns += grid.x * (took_ns - held_ns);
  occupied->blocks += grid.x;
  for (unsigned i = 0; i < grid.x; ++i) occupied->seen[i / 64] |= std::uint64_t{1} << (i % 64);
}

}  // namespace

std::map<std::string, HostKernel> host_kernels() {
  return {
      {"grit_clear_found", host_kernel(clear_found)},
      {"grit_fill_8", host_kernel(fill<std::uint8_t>)},
      {"grit_fill_16", host_kernel(fill<std::uint16_t>)},
      {"grit_fill_32", host_kernel(fill<std::uint32_t>)},
      {"grit_check_8", host_kernel(check<std::uint8_t>)},
      {"grit_check_16", host_kernel(check<std::uint16_t>)},
      {"grit_check_32", host_kernel(check<std::uint32_t>)},
      {"grit_update", host_kernel(update)},
      {"grit_operand", host_kernel(operand)},
      {"grit_check_product", host_kernel(check_product)},
      {"grit_occupy", host_kernel(occupy)},
  };
}

}  // namespace grit::fake
