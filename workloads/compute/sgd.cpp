#include "workloads/compute/sgd.hpp"

#include <cstdint>

#include "harness/base/result.hpp"
#include "harness/model/float16.hpp"

namespace grit {
namespace {

constexpr std::size_t kBlock = 64;  // a constant trip count vectorises at -O2 already

template <class Element, class Widen>
void update(float* __restrict weights, const Element* __restrict gradients, std::size_t count, float rate,
            Widen widen) {
  std::size_t i = 0;
  for (; i + kBlock <= count; i += kBlock) {
    for (std::size_t j = 0; j < kBlock; ++j) weights[i + j] -= rate * widen(gradients[i + j]);
  }
  for (; i < count; ++i) weights[i] -= rate * widen(gradients[i]);
}

}  // namespace

void sgd_update(std::span<float> weights, const std::byte* gradients, DataType type, float learning_rate) {
  const void* values = gradients;
  const auto* values16 = static_cast<const std::uint16_t*>(values);
  switch (type) {
    case DataType::fp32:
      update(weights.data(), static_cast<const float*>(values), weights.size(), learning_rate,
             [](float g) { return g; });
      return;
    case DataType::bf16:
      update(weights.data(), values16, weights.size(), learning_rate, [](std::uint16_t g) { return bf16_to_float(g); });
      return;
    case DataType::fp16:
      update(weights.data(), values16, weights.size(), learning_rate, [](std::uint16_t g) { return fp16_to_float(g); });
      return;
    case DataType::bytes:
      GRIT_ASSERT(type != DataType::bytes);
  }
}

}  // namespace grit
