#include "harness/run/rank_fabric.hpp"

#include <utility>

#include "harness/base/clock.hpp"
#include "harness/cluster/local.hpp"
#include "workloads/compute_kind.hpp"
#include "workloads/fabric/mpi.hpp"
#include "workloads/fabric/nccl.hpp"

namespace grit {
namespace {

constexpr std::int64_t kPause_ns = 30 * kNsPerUs;

Result<std::unique_ptr<CudaDevice>> open_gpu(int local_rank) {
  GRIT_TRY(auto module, AcceleratorModule::load());
  GRIT_TRY(const auto gpus, module->devices());
  GRIT_TRY(auto gpu, Accelerator::open(std::move(module), local_rank % static_cast<int>(gpus.size())));
  return CudaDevice::make(std::move(gpu));
}

}  // namespace

Json RankFabric::clock_of_gpu(int rank) const {
  if (gpu == nullptr) return nullptr;
  const DeviceEvents& events = gpu->events();
  return {{"rank", rank}, {"error_ns", events.error_ns()}, {"contradictions", events.clock().contradictions()}};
}

Result<RankFabric> make_rank_fabric(const Job& job, const Plan& plan, SpanSink& spans) {
  RankFabric fabric;
  if (compute_kind(Params(plan.workload.params).text("compute")) != ComputeKind::cuda) {
    GRIT_TRY(fabric.mpi, make_mpi_communicator(job.world(), {.spans = &spans}));
    return fabric;
  }
  GRIT_TRY(fabric.mpi, make_mpi_communicator(job.world()));
  GRIT_CHECK(job.each([&]() -> Status {
    GRIT_TRY(fabric.gpu, open_gpu(job.local_rank()));
    return {};
  }));
  // Ranks of a local cluster share the machine's cores: one that waits must not keep others from theirs.
  const std::int64_t pause_ns = in_local_cluster() ? kPause_ns : 0;
  GRIT_TRY(fabric.nccl, make_nccl_communicator(*fabric.mpi, *fabric.gpu, {.spans = &spans, .pause_ns = pause_ns}));
  return fabric;
}

}  // namespace grit
