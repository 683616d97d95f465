// The work of a layer on one micro-batch, with the operations in its midst.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "harness/base/result.hpp"
#include "workloads/compute/compute.hpp"
#include "workloads/training/checked_group.hpp"
#include "workloads/training/parameters.hpp"
#include "workloads/training/token_exchange.hpp"

namespace grit {

/// Does layer_steps(). Work that no operation needs yet is owed, and done with what follows it: kernels are launched
/// one after the other, and only who waits for a result waits for them.
class LayerWork {
 public:
  /// What is given outlives it. `stage`: of the pipeline.
  LayerWork(const TrainingSettings& settings, const StageLayers& layers, int stage, TrainingGroups& groups,
            Compute& compute, StepAccount& account, RankDials* dials);

  void begin_step(std::uint64_t step) { step_ = step; }
  /// The layer at this place of the action's chunk. Some of its work may be left owed.
  Status run(const PipelineAction& action, std::size_t layer);
  /// Does what is owed.
  Status settle();
  /// In the phase exposed_comm: until all of the step's work is done.
  Status await();

  /// What it allocates.
  static double bytes(const TrainingSettings& settings, const StageLayers& layers);

 private:
  struct Layer {
    std::array<std::vector<LayerStep>, 2> steps{};  // by pass
    std::size_t place = 0;                          // of a block: among those of the stage
    int number = 0;                                 // and among those of the model
  };

  Status operate(const LayerStep& step);
  Status exchange_tokens(const PipelineAction& action, const Layer& layer);

  TrainingGroups& groups_;
  Compute& compute_;
  StepAccount& account_;
  std::vector<std::vector<Layer>> chunks_;
  std::size_t element_bytes_;
  std::optional<TokenExchange> tokens_;
  bool tokens_are_out_ = false;  // of the layer under way: with the experts
  double owed_flops_ = 0;
  std::uint64_t step_ = 0;
  std::vector<WorkTime> times_{};
  DeviceBuffer activations_;  // of all tokens
  DeviceBuffer part_;         // sequence parallel: of this rank's
  DeviceBuffer loss_;
};

}  // namespace grit
