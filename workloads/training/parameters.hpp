// Parameters and gradients of the layers that a rank holds: how they are shared with the ranks that hold the same.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "harness/base/result.hpp"
#include "workloads/checkpoints.hpp"
#include "workloads/compute/device.hpp"
#include "workloads/models.hpp"
#include "workloads/pipeline_schedule.hpp"
#include "workloads/training/checked_group.hpp"
#include "workloads/training/settings.hpp"

namespace grit {

/// The layers of a stage, chunk by chunk: layers_of_stage().
using StageLayers = std::vector<std::vector<ModelLayer>>;

/// The place in its chunk of the layer that comes `position`-th in the pass.
inline std::size_t layer_at(Pass pass, std::size_t layers, std::size_t position) {
  return pass == Pass::forward ? position : layers - 1 - position;
}

/// Called by a step in the order of its actions, and within one of its layers: `position` counts them from 0.
class Parameters {
 public:
  Parameters() = default;
  Parameters(const Parameters&) = delete;
  Parameters& operator=(const Parameters&) = delete;
  virtual ~Parameters() = default;

  /// Returns when the layer's parameters are there.
  virtual Status before_layer(const PipelineAction& action, std::size_t position) = 0;
  /// Its work is done. After the backward pass of the last micro-batch the sum of its gradients begins, if only it was
  /// what was missing: is there anything to do?
  [[nodiscard]] virtual bool sums_after(const PipelineAction& action, std::size_t position) const = 0;
  virtual Status after_layer(const PipelineAction& action, std::size_t position) = 0;
  /// Returns when all sums are there.
  virtual Status await_gradients() = 0;
  /// Checks them, and brings the weights up to date.
  virtual void update() = 0;

  /// The fp32 weights that this rank updates, on the device, and which of them others update as well.
  [[nodiscard]] virtual const DeviceBuffer& weights() const = 0;
  [[nodiscard]] virtual std::vector<HeldAlike> held_alike() const = 0;
};

/// Every rank has all: gradients are all-reduced in the buckets of buckets.hpp, as DistributedDataParallel does, each
/// as soon as it is full. `groups` outlives it.
std::unique_ptr<Parameters> make_replicated_parameters(const TrainingSettings& settings, const StageLayers& layers,
                                                       TrainingGroups& groups);
/// Divided over dp (experts' over edp), as FullyShardedDataParallel does: a layer's parameters are gathered before its
/// work, `prefetch` layers ahead within a pass, and its gradients reduce-scattered after it. With `reshard` prefetch +
/// 1 layers are there at a time, else all. Of whole gradients there are two layers: a third one waits until the first
/// was scattered (FSDP2 waits for one before the next as well: reduce_scatter_state in
/// torch/distributed/fsdp/_fully_shard/_fsdp_param_group.py). Sums of several micro-batches would need all of them;
/// they are not kept here.
std::unique_ptr<Parameters> make_sharded_parameters(const TrainingSettings& settings, const StageLayers& layers,
                                                    TrainingGroups& groups);

/// What these allocate, and the copy that a checkpoint makes of what one rank saves of them.
double replicated_parameters_bytes(const TrainingSettings& settings, const StageLayers& layers);
double sharded_parameters_bytes(const TrainingSettings& settings, const StageLayers& layers);

/// Keeps the weights finite over any run: summed gradients are non-negative integers.
constexpr float kLearningRate = 1e-9F;

}  // namespace grit
