// Clocks. Everything that is measured uses CLOCK_MONOTONIC of its own node, in nanoseconds.
#pragma once

#include <cstdint>
#include <string>

namespace grit {

constexpr std::int64_t kNsPerUs = 1'000;
constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kNsPerS = 1'000'000'000;

/// CLOCK_MONOTONIC of this node, nanoseconds. A vDSO call, no system call, on every kernel with a usable TSC.
std::int64_t monotonic_ns();

/// CLOCK_REALTIME, nanoseconds since the epoch. For people, never for differences.
std::int64_t realtime_ns();

/// "20261123T081500Z": UTC, sortable, safe in a file name.
std::string utc_stamp(std::int64_t realtime_ns);

}  // namespace grit
