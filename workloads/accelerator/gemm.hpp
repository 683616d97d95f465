// Matrix products by cuBLASLt, every element of which can be checked: module.h, operands.h.
#pragma once

#include <cstdint>

#include "workloads/accelerator/module.h"

namespace grit::accelerator {

std::int32_t gemm_create(grit_device* device, std::int32_t type, std::int32_t size, grit_gemm** gemm, grit_why* why);
void gemm_destroy(grit_gemm* gemm);
std::int32_t gemm_run(grit_gemm* gemm, grit_stream* stream, std::int32_t times, grit_why* why);
std::int32_t gemm_check(grit_gemm* gemm, grit_stream* stream, grit_found* found, grit_why* why);

}  // namespace grit::accelerator
