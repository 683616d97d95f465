// What the workloads of parallel training can be set to, and what follows from that without a job.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/model/data_type.hpp"
#include "harness/model/params.hpp"
#include "workloads/checkpoints.hpp"
#include "workloads/compute_kind.hpp"
#include "workloads/traffic.hpp"
#include "workloads/workload.hpp"

namespace grit {

struct TrainingSettings {
  TrainingSetup setup{};
  DataType dtype = DataType::bf16;
  int prefetch = 1;    // sharded: layers whose parameters are gathered ahead of the one that is worked on
  double balance = 1;  // of the router, as in router.hpp
  ComputeKind compute = ComputeKind::emulated;
  double peak_flops_per_s = 0;
  bool is_fp8 = false;  // a GPU's products
  int helper_threads = 0;
  CheckpointSettings checkpoints{};

  /// Copies of what operations read and write: HostStaging makes a second one.
  [[nodiscard]] std::size_t buffer_copies() const { return helper_threads > 0 ? 2 : 1; }
};

/// One of the workloads that differ in their axes and parameters alone: all of them are Training (training.hpp).
struct TrainingWorkload {
  WorkloadInfo info;
  Json fixed = Json::object();  // settings that are no parameters of it
};

/// The parameters that all of them have, and these. `defaults`: where it has others than the table.
std::vector<ParamSpec> training_params(const std::vector<std::string>& own, const Json& defaults = Json::object());

/// `given`: values of the workload's parameters, with what is fixed; others have their defaults. Error (usage): what
/// check_setup() refuses, an unknown model, or a balance that the model's experts cannot have.
Result<TrainingSettings> read_training_settings(const Json& given, const Mesh& mesh);

/// Of a rank of this stage in a step, experts' as if evenly loaded.
double step_flops(const TrainingSetup& setup, std::span<const std::vector<ModelLayer>> stage);

/// What whoever plans a run should know: of fewer micro-batches than stages.
std::vector<std::string> training_remarks(const TrainingSettings& settings);

/// What each rank does in a step by formula, stage by stage:
///   {"model", "scale", "dtype", "sequence", "micro_batches", "mesh", "compute", ...,
///    "bubble_share": as bubble_share(),
///    "stages": [{"parameters": of one rank, "flops": of one rank in a step, experts' as if evenly loaded,
///                "memory_bytes": of one rank, "idle_share": as idle_shares(), "sent_bytes",
///                "traffic": [{"operation": "all_reduce", "axis": "tp", "bytes": 31457280, "count": 24}, ...]}, ...]}
/// Traffic as step_traffic() has it: the spans of a step are held against it.
Json training_description(const TrainingSettings& settings);

}  // namespace grit
