// What a worker does that uses CPU time by plan.
#pragma once

#include <cstdint>

namespace grit {

/// From one turn of busy and idle to the next: of the order of the scheduler's own turns, short against a step.
constexpr std::int64_t kDutyPeriod_ns = 10'000'000;

/// Uses `share` (0 to 1) of each period as CPU time; sleeps for the rest. A period that others have used up is over:
/// nothing is made up for. Never returns.
[[noreturn]] void use_cpu(double share);

/// Computes until the calling thread has used so much CPU time (what others take from it does not count), but not
/// beyond a time of CLOCK_MONOTONIC. Returns how much it used.
std::int64_t burn_cpu(std::int64_t cpu_ns, std::int64_t deadline_ns);
void sleep_until(std::int64_t monotonic_ns);

}  // namespace grit
