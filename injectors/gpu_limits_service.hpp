// What is done to the GPUs of one undo record (injectors/gpu_limits.hpp), in the process that asks the driver
// (harness/os/gpu_process.hpp).
#pragma once

#include <memory>

#include "harness/os/gpu_process.hpp"
#include "injectors/gpu_limits.hpp"

namespace grit {

/// Answers "arm" (takes the GPUs for the record: GpuClaim), "apply", "restore", "look" and "count", all but "look" with
/// {"throttled_ns": {UUID: ns}}: for how long the limit has held a GPU back.
std::unique_ptr<GpuService> make_limited_gpus(const Nvml& nvml, GpuLimits limits);

/// From the record alone: each GPU on which it may have set something, also when another one fails. Error: the first.
Status restore_limits(const Nvml& nvml, const GpuLimits& limits);

}  // namespace grit
