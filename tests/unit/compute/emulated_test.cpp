#include <atomic>
#include <thread>

#include "harness/base/clock.hpp"
#include "tests/catch.hpp"
#include "tests/unit/compute/counting_progress.hpp"
#include "workloads/compute/compute.hpp"

using namespace grit;

namespace {

using grit::test::CountingProgress;

std::int64_t run_ns(Compute& compute, double flops, Progress& progress) {
  const std::int64_t start_ns = monotonic_ns();
  REQUIRE(compute.run(flops, progress));
  return monotonic_ns() - start_ns;
}

}  // namespace

TEST_CASE("an emulated kernel lasts flops / peak and pokes the collectives meanwhile") {
  AcceleratorClock clock{kNominalClockPpm};
  const auto compute = make_emulated_compute(1e9, clock);
  CountingProgress progress;
  const std::int64_t took_ns = run_ns(*compute, 20e6, progress);
  CHECK(took_ns >= 20 * kNsPerMs);
  CHECK(took_ns < 200 * kNsPerMs);
  // One poke a slice of 200 µs; on a busy machine slices are longer.
  CHECK(progress.pokes >= 2);
  CHECK(progress.pokes <= 101);
}

TEST_CASE("half the clock takes twice as long") {
  AcceleratorClock clock{kNominalClockPpm / 2};
  const auto compute = make_emulated_compute(1e9, clock);
  CountingProgress progress;
  const std::int64_t took_ns = run_ns(*compute, 20e6, progress);
  CHECK(took_ns >= 40 * kNsPerMs);
  CHECK(took_ns < 400 * kNsPerMs);
}

TEST_CASE("the clock acts within a running kernel") {
  AcceleratorClock clock{1};  // at this clock the kernel would last 5.6 hours
  const auto compute = make_emulated_compute(1e9, clock);
  CountingProgress progress;
  const std::int64_t began_ns = monotonic_ns();
  std::jthread unthrottle([&clock] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    clock = kNominalClockPpm;
  });
  run_ns(*compute, 20e6, progress);
  const std::int64_t took_ns = monotonic_ns() - began_ns;
  CHECK(took_ns >= 39 * kNsPerMs);
  CHECK(took_ns < 2 * kNsPerS);
}

TEST_CASE("a stopped clock holds the kernel until it runs again") {
  AcceleratorClock clock{0};
  const auto compute = make_emulated_compute(1e12, clock);
  CountingProgress progress;
  const std::int64_t began_ns = monotonic_ns();
  std::jthread start([&clock] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    clock = kNominalClockPpm;
  });
  run_ns(*compute, 1, progress);
  CHECK(monotonic_ns() - began_ns >= 19 * kNsPerMs);
}

TEST_CASE("no work takes no kernel") {
  AcceleratorClock clock{0};
  const auto compute = make_emulated_compute(1e12, clock);
  CountingProgress progress;
  REQUIRE(compute->run(0, progress));
  CHECK(progress.pokes == 0);
}

TEST_CASE("a poke within the kernel's time costs nothing, and what goes beyond is held against the collectives") {
  struct SlowProgress final : Progress {
    void poke() override { std::this_thread::sleep_for(std::chrono::milliseconds(30)); }
  } progress;
  const AcceleratorClock clock{kNominalClockPpm};
  const auto compute = make_emulated_compute(1e9, clock);
  const std::int64_t took_ns = run_ns(*compute, 10e6, progress);
  CHECK(took_ns >= 30 * kNsPerMs);
  CHECK(compute->held_up_ns() >= 20 * kNsPerMs - kNsPerMs);
  CHECK(compute->held_up_ns() <= took_ns - 9 * kNsPerMs);
}
