// The contract of a workload: a synthetic synchronized training job. One file here, one line in registry.cpp.
#pragma once

#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "harness/model/mesh.hpp"
#include "harness/model/params.hpp"
#include "harness/model/rank_dials.hpp"
#include "harness/model/step_record.hpp"
#include "harness/model/topology.hpp"
#include "harness/model/wrong_value.hpp"
#include "workloads/compute/compute.hpp"
#include "workloads/compute/device.hpp"
#include "workloads/fabric/communicator.hpp"
#include "workloads/fabric/group_communicators.hpp"

namespace grit {

class CudaDevice;

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
  const GroupCommunicators* groups = nullptr;           // by the axes of the mesh; null: all ranks are on dp
  const AcceleratorClock* accelerator_clock = nullptr;  // for emulated compute; never null
  CudaDevice* gpu = nullptr;  // on which compute = "cuda" works, and which the communicators reach; null: the host
  int ranks_sharing_gpu = 1;  // this one and those that have the same
  std::int64_t gpu_free_bytes = std::numeric_limits<std::int64_t>::max();  // of it, before they took any
  PhaseSink phase{};
  int ranks_sharing_memory = 1;         // this one and those that allocate beside it on the same machine
  RankDials* dials = nullptr;           // what faults turn; null: nothing does
  WrongValues* wrong_values = nullptr;  // where examples of these go; null: nowhere
  std::filesystem::path
      checkpoint_directory{};       // empty: checkpoints go nowhere (not allowed when the workload writes some)
  bool keeps_checkpoints = false;   // by name there, for a job that goes on from them (workloads/kept_checkpoint.hpp)
  std::int64_t checkpoint_of = -1;  // the step whose checkpoint there resume() will take up; -1: none
  std::string program = "/proc/self/exe";  // grit, for processes that a workload starts
};

class Workload {
 public:
  Workload() = default;
  Workload(const Workload&) = delete;
  Workload& operator=(const Workload&) = delete;
  virtual ~Workload() = default;

  /// One step. Fills all of `record` but rank, node, block, step and step_in_block. Error: the communicator failed, or
  /// a GEMM gave a wrong result (a wrong received value is counted in the record instead).
  virtual Status step(StepRecord& record) = 0;
  /// Before the first step: takes up WorkloadContext::checkpoint_of, which every rank has whole, and goes on with the
  /// step after it. Collective. Error: a part or what the parts make together is not what was saved; on this rank
  /// perhaps alone, so that the job is to be ended.
  virtual Status resume() = 0;
  /// After the last step: returns when what goes on beside the steps is done, which is given up otherwise. Error: it
  /// failed.
  virtual Status finish() = 0;
  /// For the run's environment and report: {"parameters": 2488320, "gradient_bytes": ..., "buckets": ...}.
  [[nodiscard]] virtual Json description() const = 0;
};

/// All workloads' descriptions, in the order of `grit list`.
const std::vector<WorkloadInfo>& workloads();
const WorkloadInfo* find_workload(std::string_view name);
/// What of this workload is emulated, for the first line of the report; empty when all is real. Pure.
std::vector<std::string> emulated_parts(std::string_view name, const Params& params);
/// What a workload does on a mesh, before any rank is there.
struct WorkloadOnMesh {
  Json by_formula{};                   // Plan::by_formula; null: it does not say
  std::vector<std::string> remarks{};  // what whoever plans the run should know, in sentences
};
/// Pure. Error (usage): it cannot share its work over this mesh; says what would do.
Result<WorkloadOnMesh> check_workload(std::string_view name, const Params& params, const Mesh& mesh);
Result<std::unique_ptr<Workload>> make_workload(std::string_view name, const Params& params,
                                                const WorkloadContext& context);

}  // namespace grit
