// What of a GPU's compute is known without a GPU.
#include <cmath>

#include "tests/catch.hpp"
#include "workloads/compute/compute.hpp"

namespace grit {

TEST_CASE("a step is made of 32 products at least, unless it is too small for the smallest ones") {
  const auto products = [](double step_flops) { return step_flops / (2 * std::pow(cuda_product_size(step_flops), 3)); };
  CHECK(cuda_product_size(1e15) == 4096);
  CHECK(cuda_product_size(32 * 2 * std::pow(4096.0, 3)) == 4096);
  CHECK(cuda_product_size(31 * 2 * std::pow(4096.0, 3)) == 2048);
  for (double flops = 2e8; flops < 1e13; flops *= 1.7) {
    CHECK(products(flops) >= 32);
    CHECK((cuda_product_size(flops) == 4096 || products(flops) < 8 * 32));
  }
  CHECK(cuda_product_size(1e6) == 128);
  CHECK(cuda_product_size(0) == 128);
}

}  // namespace grit
