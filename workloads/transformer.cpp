// Training over all axes at once.
#include "workloads/training/workloads.hpp"

namespace grit {

TrainingWorkload transformer_workload() {
  return {.info = {.name = "transformer",
                   .summary = "training over all axes of a mesh at once: data (sharded or not), tensor, pipeline and "
                              "expert parallel",
                   .params = training_params(
                       {"sharded", "reshard", "prefetch", "bucket", "sequence_parallel", "chunks", "balance"},
                       {{"micro_batches", 8}}),
                   .axes = {Axis::dp, Axis::tp, Axis::pp, Axis::ep, Axis::edp}}};
}

}  // namespace grit
