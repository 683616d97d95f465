// The contract of a workload: a synthetic synchronized training job. One file here, one line in registry.cpp.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "harness/model/mesh.hpp"
#include "harness/model/params.hpp"
#include "harness/model/rank_dials.hpp"
#include "harness/model/step_record.hpp"
#include "harness/model/topology.hpp"
#include "workloads/compute/compute.hpp"
#include "workloads/fabric/communicator.hpp"

namespace grit {

struct WorkloadInfo {
  std::string name;
  std::string summary;
  std::vector<ParamSpec> params;
  std::vector<Axis> axes{};  // over which it shares its work: those of a mesh that may have more than one rank
};

/// Where a rank says what it is doing; one relaxed store in shared memory.
class PhaseSink {
 public:
  explicit PhaseSink(std::atomic<std::uint32_t>* slot = nullptr) : slot_(slot) {}
  void enter(Phase phase) const {
    if (slot_ != nullptr) slot_->store(static_cast<std::uint32_t>(phase), std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint32_t>* slot_;
};

struct WorkloadContext {
  Communicator* communicator = nullptr;                 // of all ranks of the job; never null
  const AcceleratorClock* accelerator_clock = nullptr;  // for emulated compute; never null
  PhaseSink phase{};
  int ranks_sharing_memory = 1;  // this one and those that allocate beside it on the same machine
  RankDials* dials = nullptr;    // what faults turn; null: nothing does
  std::filesystem::path
      checkpoint_directory{};  // empty: checkpoints go nowhere (not allowed when the workload writes some)
};

class Workload {
 public:
  Workload() = default;
  Workload(const Workload&) = delete;
  Workload& operator=(const Workload&) = delete;
  virtual ~Workload() = default;

  /// One step. Fills all of `record` but rank, node, block, step and step_in_block. `vote_end` is reduced with the
  /// gradients: the step tells every rank alike whether any rank voted to end the block, without a collective of its
  /// own. Error: the communicator failed, or a GEMM gave a wrong result (a wrong reduced value is counted in the record
  /// instead).
  virtual Result<bool> step(bool vote_end, StepRecord& record) = 0;
  /// For the run's environment and report: {"parameters": 2488320, "gradient_bytes": ..., "buckets": ...}.
  [[nodiscard]] virtual Json description() const = 0;
};

/// All workloads' descriptions, in the order of `grit list`.
const std::vector<WorkloadInfo>& workloads();
const WorkloadInfo* find_workload(std::string_view name);
/// What of this workload is emulated, for the first line of the report; empty when all is real. Pure.
std::vector<std::string> emulated_parts(std::string_view name, const Params& params);
Result<std::unique_ptr<Workload>> make_workload(std::string_view name, const Params& params,
                                                const WorkloadContext& context);

}  // namespace grit
