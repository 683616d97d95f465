#include "injectors/duty_cycle.hpp"

#include <cerrno>
#include <ctime>

#include "harness/base/clock.hpp"

namespace grit {
namespace {

std::int64_t thread_cpu_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * kNsPerS + now.tv_nsec;
}

/// Some microseconds of work in registers: it competes for the CPU alone, not for caches or memory.
void spin() {
  static volatile std::uint64_t sink;
  std::uint64_t value = sink + 1;
  for (int i = 0; i < 2000; ++i) value = value * 6364136223846793005ULL + 1442695040888963407ULL;
  sink = value;
}

}  // namespace

void sleep_until(std::int64_t when_ns) {
  const timespec when{.tv_sec = when_ns / kNsPerS, .tv_nsec = when_ns % kNsPerS};
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, nullptr) == EINTR) {
  }
}

std::int64_t burn_cpu(std::int64_t cpu_ns, std::int64_t deadline_ns) {
  const std::int64_t before_ns = thread_cpu_ns();
  std::int64_t used_ns = 0;
  while (used_ns < cpu_ns && monotonic_ns() < deadline_ns) {
    spin();
    used_ns = thread_cpu_ns() - before_ns;
  }
  return used_ns;
}

void use_cpu(double share) {
  const auto busy_ns = static_cast<std::int64_t>(share * static_cast<double>(kDutyPeriod_ns));
  for (std::int64_t begin_ns = monotonic_ns();;) {
    const std::int64_t end_ns = begin_ns + kDutyPeriod_ns;
    burn_cpu(busy_ns, end_ns);
    if (monotonic_ns() < end_ns && busy_ns < kDutyPeriod_ns) sleep_until(end_ns);
    begin_ns = monotonic_ns() > end_ns + kDutyPeriod_ns ? monotonic_ns() : end_ns;  // what was missed is not made up
  }
}

}  // namespace grit
