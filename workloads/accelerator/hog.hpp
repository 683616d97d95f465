// What faults need of a device beyond a job's own work: multiprocessors that are held, copies between devices.
// module.h says what each does.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "workloads/accelerator/module.h"

namespace grit::accelerator {

std::int32_t occupy(grit_device* device, grit_stream* stream, std::int32_t blocks, std::int64_t length_ns,
                    grit_occupied* occupied, grit_why* why);
std::int32_t peer_open(grit_device* device, std::int32_t other, grit_why* why);

/// grit_module_table::occupy, launched with that much dynamic shared memory in each block, which the kernel must be
/// allowed to have (allow_occupy()).
cudaError_t launch_occupy(cudaStream_t stream, std::uint32_t blocks, std::uint64_t length_ns, std::size_t shared_bytes,
                          grit_occupied* occupied);
/// Of the current device.
cudaError_t allow_occupy(std::size_t shared_bytes);

}  // namespace grit::accelerator
