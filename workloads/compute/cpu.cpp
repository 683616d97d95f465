// Real work: single-precision matrix products on this core, every one checked.
#include "harness/base/clock.hpp"
#include "workloads/compute/compute.hpp"
#include "workloads/compute/gemm_tile.hpp"

namespace grit {
namespace {

class CpuCompute final : public Compute {
 public:
  Status run(double flops, Progress& progress) override {
    // What does not fill a tile is carried over, so that many small layers cost as much as one large one.
    for (owed_flops_ += flops; owed_flops_ >= GemmTile::kFlops; owed_flops_ -= GemmTile::kFlops) {
      tile_.multiply();
      GRIT_CHECK(tile_.check());
      const std::int64_t start_ns = monotonic_ns();
      progress.poke();
      held_up_ns_ += monotonic_ns() - start_ns;
    }
    return {};
  }

  [[nodiscard]] std::int64_t held_up_ns() const override { return held_up_ns_; }

 private:
  GemmTile tile_;
  double owed_flops_ = 0;
  std::int64_t held_up_ns_ = 0;
};

}  // namespace

std::unique_ptr<Compute> make_cpu_compute() { return std::make_unique<CpuCompute>(); }

}  // namespace grit
