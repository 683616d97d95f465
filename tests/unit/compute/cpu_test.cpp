#include <algorithm>
#include <chrono>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "tests/catch.hpp"
#include "tests/unit/compute/counting_progress.hpp"
#include "workloads/compute/compute.hpp"
#include "workloads/compute/gemm_tile.hpp"

using namespace grit;

namespace {

using grit::test::CountingProgress;

}  // namespace

TEST_CASE("the CPU does as many tiles as the FLOPs make, and carries the rest over") {
  const auto compute = make_cpu_compute();
  CountingProgress progress;
  REQUIRE(compute->run(2.5 * GemmTile::kFlops, progress));
  CHECK(progress.pokes == 2);
  REQUIRE(compute->run(0.25 * GemmTile::kFlops, progress));
  CHECK(progress.pokes == 2);
  REQUIRE(compute->run(0.25 * GemmTile::kFlops, progress));
  CHECK(progress.pokes == 3);
}

TEST_CASE("the time of pokes is held against the collectives") {
  struct SlowProgress final : Progress {
    void poke() override { std::this_thread::sleep_for(std::chrono::milliseconds(5)); }
  } progress;
  const auto compute = make_cpu_compute();
  REQUIRE(compute->run(2 * GemmTile::kFlops, progress));
  CHECK(compute->held_up_ns() >= 10'000'000);
}

TEST_CASE("a matrix product that is right passes, again and again") {
  GemmTile tile;
  for (int i = 0; i < 4; ++i) {
    tile.multiply();
    REQUIRE(tile.check());
  }
}

TEST_CASE("any single wrong element of a matrix product is found") {
  GemmTile tile;
  tile.multiply();
  for (const std::size_t element : {std::size_t{0}, std::size_t{12'345}, tile.product().size() - 1}) {
    float& value = tile.product()[element];
    const float right = value;
    value = right + 1;
    const Status wrong = tile.check();
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().kind == ErrorKind::internal);
    CHECK(wrong.error().message.find("row " + std::to_string(element / GemmTile::kSize) + " ") != std::string::npos);
    value = std::numeric_limits<float>::quiet_NaN();
    CHECK_FALSE(tile.check());
    value = right;
    CHECK(tile.check());
  }
}

TEST_CASE("a product left over from before is not taken for the new one") {
  GemmTile tile;
  tile.multiply();
  const std::vector<float> old(tile.product().begin(), tile.product().end());
  tile.multiply();
  REQUIRE(tile.check());
  std::ranges::copy(old, tile.product().begin());
  CHECK_FALSE(tile.check());
}
