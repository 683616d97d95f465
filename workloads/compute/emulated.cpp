// A timer-driven accelerator: its kernels take time but no CPU, and its clock can be throttled while one runs.
#include <sys/prctl.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <cmath>

#include "harness/base/clock.hpp"
#include "workloads/compute/compute.hpp"

namespace grit {
namespace {

// How often the clock is read and collectives in flight are poked.
constexpr std::int64_t kSlice_ns = 200 * kNsPerUs;

void sleep_until(std::int64_t deadline_ns) {
  const timespec deadline{.tv_sec = deadline_ns / kNsPerS, .tv_nsec = deadline_ns % kNsPerS};
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, nullptr) == EINTR) {
  }
}

class EmulatedCompute final : public Compute {
 public:
  EmulatedCompute(double peak_flops_per_s, const AcceleratorClock& clock, std::atomic<std::int64_t>* throttled_ns)
      : peak_flops_per_ns_(peak_flops_per_s / static_cast<double>(kNsPerS)),
        clock_(clock),
        throttled_ns_(throttled_ns) {
    // Without it the kernel may wake this thread 50 µs late (prctl(2)); where it is refused, sleeps are only less
    // exact.
    ::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  }

  Status run(double flops, Progress& progress) override {
    double remaining_flops = flops;
    double throttled_ns = 0;
    std::int64_t now_ns = monotonic_ns();
    while (remaining_flops > 0) {
      const double flops_per_ns = rate();
      progress.poke();
      // The accelerator worked on meanwhile, and does so however late this thread wakes.
      const std::int64_t poked_ns = monotonic_ns();
      const double lost_share = 1 - flops_per_ns / peak_flops_per_ns_;
      remaining_flops -= static_cast<double>(poked_ns - now_ns) * flops_per_ns;
      if (remaining_flops <= 0) {
        held_up_ns_ += static_cast<std::int64_t>(-remaining_flops / flops_per_ns);
        break;
      }
      // Infinite when the clock stands still.
      const double left_ns = std::ceil(remaining_flops / flops_per_ns);
      sleep_until(poked_ns + static_cast<std::int64_t>(std::min(left_ns, static_cast<double>(kSlice_ns))));
      now_ns = monotonic_ns();
      throttled_ns += static_cast<double>(now_ns - poked_ns) * lost_share;
      remaining_flops -= static_cast<double>(now_ns - poked_ns) * flops_per_ns;
    }
    if (throttled_ns > 0 && throttled_ns_ != nullptr)
      throttled_ns_->fetch_add(static_cast<std::int64_t>(throttled_ns), std::memory_order_relaxed);
    return {};
  }

  [[nodiscard]] std::int64_t held_up_ns() const override { return held_up_ns_; }

 private:
  [[nodiscard]] double rate() const {
    return peak_flops_per_ns_ * static_cast<double>(clock_.load(std::memory_order_relaxed)) / kNominalClockPpm;
  }

  double peak_flops_per_ns_;
  const AcceleratorClock& clock_;
  std::atomic<std::int64_t>* throttled_ns_;
  std::int64_t held_up_ns_ = 0;
};

}  // namespace

std::unique_ptr<Compute> make_emulated_compute(double peak_flops_per_s, const AcceleratorClock& clock,
                                               std::atomic<std::int64_t>* throttled_ns) {
  return std::make_unique<EmulatedCompute>(peak_flops_per_s, clock, throttled_ns);
}

}  // namespace grit
