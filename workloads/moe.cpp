// Expert-parallel training of a mixture of experts: a router sends tokens to the ranks that hold their experts.
#include "workloads/training/workloads.hpp"

namespace grit {

TrainingWorkload moe_workload() {
  return {.info = {.name = "moe",
                   .summary =
                       "expert-parallel training: all-to-alls bring each token to its experts and back, as evenly "
                       "as the router's balance has it",
                   // Its experts make the model large, of which a token uses a part.
                   .params = training_params({"balance", "bucket"}, {{"model", "olmoe-1b-7b"}, {"scale", 0.002}}),
                   .axes = {Axis::dp, Axis::ep, Axis::edp}}};
}

}  // namespace grit
