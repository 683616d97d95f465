// Data-parallel training with sharded parameters, as PyTorch's FullyShardedDataParallel does it.
#include "workloads/training/workloads.hpp"

namespace grit {

TrainingWorkload fsdp_workload() {
  return {.info = {.name = "fsdp",
                   .summary = "data-parallel training with sharded parameters: gathered layer by layer, gradients "
                              "reduce-scattered while backward goes on",
                   .params = training_params({"reshard", "prefetch"}),
                   .axes = {Axis::dp}},
          .fixed = {{"sharded", true}}};
}

}  // namespace grit
