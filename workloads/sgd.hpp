// The optimizer's update.
#pragma once

#include <cstddef>
#include <span>

#include "workloads/fabric/fabric.hpp"

namespace grit {

/// weights[i] -= learning_rate · gradients[i], fp32 weights from gradients of any type, in one pass at memory speed.
void sgd_update(std::span<float> weights, const std::byte* gradients, DataType type, float learning_rate);

}  // namespace grit
