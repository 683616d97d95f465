#include "workloads/buckets.hpp"

#include <cstdint>
#include <ranges>

namespace grit {

std::vector<Bucket> plan_buckets(std::span<const ModelLayer> layers, std::size_t element_bytes, double first_cap_bytes,
                                 double cap_bytes) {
  std::vector<Bucket> buckets;
  Bucket open;
  const auto close = [&buckets, &open] {
    buckets.push_back(open);
    open = {.first_element = open.first_element + open.elements, .elements = 0, .ready_after_layer = 0};
  };
  for (std::size_t layer = layers.size(); layer-- > 0;) {
    for (const std::int64_t elements : layers[layer].tensors | std::views::reverse) {
      open.elements += static_cast<std::size_t>(elements);
      open.ready_after_layer = layer;
      const double cap = buckets.empty() ? first_cap_bytes : cap_bytes;
      if (static_cast<double>(open.elements * element_bytes) >= cap) close();
    }
  }
  if (open.elements > 0) close();
  return buckets;
}

}  // namespace grit
