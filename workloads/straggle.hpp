// The fault rank_delay, as a rank obeys it.
#pragma once

#include <time.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <random>

#include "harness/base/clock.hpp"
#include "harness/model/rank_dials.hpp"

namespace grit {

class Straggle {
 public:
  /// `dials`: what faults turn; null: nothing does. Outlives this. Random delays follow from the rank.
  Straggle(RankDials* dials, int rank) : dials_(dials), engine_(static_cast<std::uint64_t>(rank)) {}

  /// Sleeps for as long as the dials say, once a step; two loads where they say nothing.
  void in_step(std::uint64_t step) {
    if (dials_ == nullptr) return;
    const std::int64_t fixed_ns = dials_->delay_ns.load(std::memory_order_relaxed);
    const std::int64_t jitter_ns = dials_->delay_jitter_ns.load(std::memory_order_relaxed);
    if (fixed_ns == 0 && jitter_ns == 0) return;
    const auto every = static_cast<std::uint64_t>(std::max<std::int64_t>(dials_->delay_every.load(), 1));
    if (step % every != 0) return;
    const std::int64_t delay_ns = fixed_ns + static_cast<std::int64_t>(uniform() * static_cast<double>(jitter_ns));
    const std::int64_t until_ns = monotonic_ns() + delay_ns;
    const timespec until{.tv_sec = until_ns / kNsPerS, .tv_nsec = until_ns % kNsPerS};
    while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
    }
    dials_->delayed_steps.fetch_add(1, std::memory_order_relaxed);
    dials_->delayed_ns.fetch_add(delay_ns, std::memory_order_relaxed);
  }

 private:
  double uniform() { return std::uniform_real_distribution<double>(0, 1)(engine_); }

  RankDials* dials_;
  std::mt19937_64 engine_;
};

}  // namespace grit
