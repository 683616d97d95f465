// Communicators over NCCL.
#pragma once

#include <cstdint>
#include <memory>

#include "harness/base/clock.hpp"
#include "workloads/compute/cuda_device.hpp"
#include "workloads/fabric/communicator.hpp"

namespace grit {

struct NcclOptions {
  SpanSink* spans = nullptr;  // where the spans of this rank go; outlives the communicators. nullptr: nowhere
  /// For how long communicators may take to come about, and an operation to end, before this rank takes it for hanging
  /// and gives up all: PyTorch's default for NCCL, 10 min (torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp).
  std::int64_t patience_ns = 600 * kNsPerS;
  /// How long a rank that waits sleeps between two polls; 0: not at all.
  std::int64_t pause_ns = 0;
};

/// The communicator of all ranks of `bootstrap`, in its order, over which their identity is exchanged and nothing else:
/// collective over it. `device` is this rank's, and outlives it and all that are split from it. Error (unavailable):
/// the module was built without NCCL; (internal): NCCL's own, or no communicator came about in time.
///
/// Buffers are memory that the device reaches: Device::allocate()'s or allocate_for_host()'s; what the device was given
/// before an operation begins is done first. It and all that were split from it must be destroyed, on all ranks in the
/// same order. Each communicator has a stream of its own, as torch.distributed's groups have. Ends of operations are
/// the device's times on the host's clock.
///
/// All of NCCL is non-blocking. Sends and receives that follow each other with no poke() or wait in between are started
/// as one. An error of NCCL's, also one that shows later, or of a peer makes all communicators of the rank fail, and
/// aborts them at once, all at the same time, as one's kernels would hold up another's end; should that hang, the rank
/// ends itself (LastResort).
Result<std::unique_ptr<Communicator>> make_nccl_communicator(Communicator& bootstrap, CudaDevice& device,
                                                             const NcclOptions& options = {});

}  // namespace grit
