#include "harness/run/rank_fabric.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "harness/base/clock.hpp"
#include "harness/cluster/local.hpp"
#include "workloads/compute_kind.hpp"
#include "workloads/fabric/mpi.hpp"
#include "workloads/fabric/nccl.hpp"

namespace grit {
namespace {

constexpr std::int64_t kPause_ns = 30 * kNsPerUs;

/// The rank's number among those of the machine: the nodes of a local cluster share one.
int rank_on_machine(const Job& job) { return in_local_cluster() ? job.rank() : job.local_rank(); }

Result<std::unique_ptr<CudaDevice>> open_gpu(const Job& job) {
  GRIT_TRY(auto module, AcceleratorModule::load());
  if (!module->has_communicators())
    return unavailable_error(fmt::format("{} was built without NCCL", module->describe()));
  GRIT_TRY(const auto gpus, module->devices());
  GRIT_TRY(auto gpu, Accelerator::open(std::move(module), rank_on_machine(job) % static_cast<int>(gpus.size())));
  return CudaDevice::make(std::move(gpu));
}

/// How many ranks of the machine have the GPU of this one; collective.
int ranks_of_gpu(const Job& job, const std::string& pci_address) {
  using Address = std::array<char, sizeof grit_device_facts::pci_address>;
  Address own{};
  pci_address.copy(own.data(), own.size());
  std::vector<Address> all(static_cast<std::size_t>(in_local_cluster() ? job.size() : job.local_size()));
  MPI_Allgather(own.data(), sizeof own, MPI_CHAR, all.data(), sizeof own, MPI_CHAR,
                in_local_cluster() ? job.world() : job.local());
  return static_cast<int>(std::count(all.begin(), all.end(), own));
}

bool any_rank(const Job& job, bool is_so) {
  int any = is_so ? 1 : 0;
  MPI_Allreduce(MPI_IN_PLACE, &any, 1, MPI_INT, MPI_LOR, job.world());
  return any != 0;
}

}  // namespace

Json RankFabric::clock_of_gpu(int rank) const {
  if (gpu == nullptr) return nullptr;
  const DeviceEvents& events = gpu->events();
  return {{"rank", rank}, {"error_ns", events.largest_error_ns()}, {"contradictions", events.clock().contradictions()}};
}

Result<RankFabric> make_rank_fabric(const Job& job, const Plan& plan, SpanSink& spans) {
  RankFabric fabric;
  if (compute_kind(Params(plan.workload.params).text("compute")) != ComputeKind::cuda) {
    GRIT_TRY(fabric.mpi, make_mpi_communicator(job.world(), {.spans = &spans}));
    return fabric;
  }
  GRIT_TRY(fabric.mpi, make_mpi_communicator(job.world()));
  GRIT_CHECK(job.each([&]() -> Status {
    GRIT_TRY(fabric.gpu, open_gpu(job));
    return {};
  }));
  const AcceleratorFacts& facts = fabric.gpu->accelerator()->facts();
  fabric.ranks_of_gpu = ranks_of_gpu(job, facts.pci_address);
  // Between two things that all of them do: before any of them takes memory for its work.
  GRIT_CHECK(job.each([&]() -> Status {
    GRIT_TRY(fabric.free_bytes_of_gpu, fabric.gpu->accelerator()->free_bytes());
    return {};
  }));
  fabric.is_fake = any_rank(job, facts.is_fake);
  // Ranks of a local cluster share the machine's cores: one that waits must not keep others from theirs.
  const std::int64_t pause_ns = in_local_cluster() ? kPause_ns : 0;
  const std::int64_t patience_ns = Params(plan.workload.params).integer("patience");
  GRIT_TRY(fabric.nccl, make_nccl_communicator(*fabric.mpi, *fabric.gpu,
                                               {.spans = &spans, .patience_ns = patience_ns, .pause_ns = pause_ns}));
  return fabric;
}

}  // namespace grit
