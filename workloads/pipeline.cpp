// Pipeline-parallel training, 1F1B or interleaved: each stage has a part of the layers.
#include "workloads/training/workloads.hpp"

namespace grit {

TrainingWorkload pipeline_workload() {
  return {.info = {.name = "pipeline",
                   .summary = "pipeline-parallel training: micro-batches go through the stages by 1F1B, interleaved "
                              "with chunks above 1",
                   .params = training_params({"chunks", "bucket"}, {{"micro_batches", 8}}),
                   .axes = {Axis::dp, Axis::pp}}};
}

}  // namespace grit
