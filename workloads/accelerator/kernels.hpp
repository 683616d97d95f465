// The module's own kernels, and how they are launched. Each returns the runtime's code for the launch; what goes wrong
// on the device shows later.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "workloads/accelerator/module.h"
#include "workloads/accelerator/operands.h"

namespace grit::accelerator {

/// grit_module_table::fill.
cudaError_t launch_fill(cudaStream_t stream, const grit_pattern& pattern, void* to, std::uint64_t count);
/// grit_module_table::check.
cudaError_t launch_check(cudaStream_t stream, const grit_pattern& pattern, const void* values, std::uint64_t count,
                         grit_found* found);
/// grit_module_table::update. `type`: one of those.
cudaError_t launch_update(cudaStream_t stream, float* weights, const void* gradients, std::int32_t type,
                          std::uint64_t count, float rate);
/// Writes an operand, size x size elements, the number k fastest.
cudaError_t launch_operand(cudaStream_t stream, void* matrix, std::int32_t type, std::uint32_t size, Operand operand);
/// Compares a product, size x size, the number i fastest, with alpha outer(i) outer'(j) inner_sum.
cudaError_t launch_check_product(cudaStream_t stream, const float* product, std::uint32_t size, float alpha,
                                 grit_found* found);

}  // namespace grit::accelerator
