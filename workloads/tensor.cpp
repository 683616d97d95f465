// Tensor-parallel training, as Megatron-LM does it: the ranks of a tensor group share each layer.
#include "workloads/training/workloads.hpp"

namespace grit {

TrainingWorkload tensor_workload() {
  return {.info = {.name = "tensor",
                   .summary = "tensor-parallel training: two all-reduces of activations a layer and pass, or sequence "
                              "parallel with all-gather and reduce-scatter",
                   .params = training_params({"sequence_parallel", "bucket"}),
                   .axes = {Axis::dp, Axis::tp}}};
}

}  // namespace grit
