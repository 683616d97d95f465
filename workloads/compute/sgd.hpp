// The optimizer's update.
#pragma once

#include <cstddef>
#include <span>

#include "harness/model/data_type.hpp"

namespace grit {

/// weights[i] -= learning_rate · gradients[i], fp32 weights from gradients of any type but bytes, in one pass at memory
/// speed.
void sgd_update(std::span<float> weights, const std::byte* gradients, DataType type, float learning_rate);

}  // namespace grit
