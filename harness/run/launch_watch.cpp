#include "harness/run/launch_watch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "harness/base/clock.hpp"
#include "harness/base/result.hpp"
#include "harness/base/units.hpp"

namespace grit {
namespace {

constexpr std::int64_t kFirstWord_ns = 2 * kNsPerS;
constexpr std::int64_t kNextWord_ns = 10 * kNsPerS;

}  // namespace

LaunchWatch::LaunchWatch(std::string who, int tasks, bool speaks, std::int64_t limit_ns)
    : who_(std::move(who)), tasks_(tasks), speaks_(speaks), began_ns_(monotonic_ns()), limit_ns_(limit_ns) {
  thread_ = std::thread([this] { watch(); });
}

LaunchWatch::~LaunchWatch() {
  {
    const std::lock_guard hold(mutex_);
    is_over_ = true;
  }
  over_.notify_all();
  thread_.join();
}

void LaunchWatch::watch() {
  std::unique_lock hold(mutex_);
  std::int64_t word_due_ns = began_ns_ + kFirstWord_ns;
  for (;;) {
    const std::int64_t now_ns = monotonic_ns(), end_ns = began_ns_ + limit_ns_;
    if (now_ns >= end_ns) break;
    const std::int64_t wait_ns = std::min(end_ns, speaks_ ? std::max(word_due_ns, now_ns) : end_ns) - now_ns;
    if (over_.wait_for(hold, std::chrono::nanoseconds(wait_ns), [this] { return is_over_; })) return;
    if (!speaks_ || monotonic_ns() < word_due_ns) continue;
    fmt::print(stderr, "grit: waiting for all {} ranks to come together ({} s)\n", tasks_,
               (monotonic_ns() - began_ns_) / kNsPerS);
    word_due_ns += kNextWord_ns;
  }
  fmt::print(
      stderr,
      "grit: {}: the {} ranks did not come together within {}: MPI_Init still waits. Ranks that do not say this "
      "never started, or cannot reach the others: look at the launcher's own words, and at which NICs MPI may use "
      "(btl_tcp_if_include, oob_tcp_if_include). GRIT_LAUNCH_TIMEOUT=10min allows more time\n",
      who_, tasks_, format_quantity(limit_ns_, Unit::time_ns));
  std::fflush(stderr);
  std::_Exit(static_cast<int>(ErrorKind::unavailable));
}

}  // namespace grit
