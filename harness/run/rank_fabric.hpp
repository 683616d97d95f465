// What moves a rank's data: MPI, or NCCL where the workload computes on GPUs.
#pragma once

#include <cstdint>
#include <memory>

#include "harness/base/json.hpp"
#include "harness/model/plan.hpp"
#include "harness/run/job.hpp"
#include "workloads/compute/cuda_device.hpp"
#include "workloads/fabric/communicator.hpp"

namespace grit {

/// To be destroyed before MPI is over, by all ranks.
struct RankFabric {
  std::unique_ptr<Communicator> mpi;   // NCCL: only for setting it up
  std::unique_ptr<CudaDevice> gpu;     // nullptr: none
  std::unique_ptr<Communicator> nccl;  // nullptr: none
  int ranks_of_gpu = 1;                // that share the rank's GPU
  std::int64_t free_bytes_of_gpu = 0;  // before any of them had memory of it
  bool is_fake = false;                // of any rank: a library of the tests plays a vendor's
  [[nodiscard]] Communicator& world() const { return nccl != nullptr ? *nccl : *mpi; }
  /// How well times of the rank's GPU are known on its node's clock (clock.json: "gpus"); null: it has none.
  [[nodiscard]] Json clock_of_gpu(int rank) const;
};

/// Collective. A rank has the GPU of its number among those of its machine, over again from the first where there are
/// more ranks than GPUs. `spans` outlives it. Error, of all ranks alike: GPUs are asked for, and a rank cannot use one;
/// says why.
Result<RankFabric> make_rank_fabric(const Job& job, const Plan& plan, SpanSink& spans);

}  // namespace grit
