// The workloads that are Training (training.hpp): which axes each shares its work over, and what it can be set to.
#pragma once

#include "workloads/training/settings.hpp"

namespace grit {

TrainingWorkload fsdp_workload();
TrainingWorkload tensor_workload();
TrainingWorkload pipeline_workload();
TrainingWorkload moe_workload();
/// All of them at once.
TrainingWorkload transformer_workload();

}  // namespace grit
