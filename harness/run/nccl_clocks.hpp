// The devices' times of an NCCL job on one clock.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "harness/run/nccl_job.hpp"

namespace grit {

/// Of one operation of a rank, in ns of CLOCK_MONOTONIC of rank 0's host. 0: the device's times are not known.
struct NcclTimes {
  std::int64_t entry_ns = 0, exit_ns = 0;  // the device began the first channel, and ended the last
  std::int64_t error_ns = 0;               // by how much these, against those of rank 0, can be wrong
};

struct NcclTimeline {
  std::vector<std::vector<NcclTimes>> ranks{};  // by rank and its operations
  /// By rank: the largest error_ns. Empty: nothing bounds its clock; its times are then by the hosts' wall clocks, to
  /// be looked at only.
  std::vector<std::optional<std::int64_t>> errors_ns{};
  /// By how much rank 0's device can be off its host's clock, at one time or other. Empty: nothing bounds that.
  std::optional<std::int64_t> host_error_ns{};
};

/// %globaltimer counts in steps of up to a microsecond, by device; so much more can each bound be wrong.
inline constexpr std::int64_t kGlobaltimerStep_ns = 1000;

/// Nobody leaves an all-reduce, reduce-scatter, all-gather or all-to-all before everybody has begun it. So of any two
/// of its ranks each one's start lies before the other's end: bounds on both sides of the distance of their clocks, as
/// narrow as the shortest of them takes, on one host or two. The narrowest ones stay, and widen by what clocks may
/// drift apart (DeviceClock). A rank that has none in common with rank 0 is placed by way of others, whose errors add
/// up. One that has none with anybody, on rank 0's host, is placed by that host's clock: an operation was called
/// before, and seen after, the device began it. A bound by itself that contradicts the others is left out; a rank with
/// several in a row, after the first thousand, has no error.
NcclTimeline align_nccl_times(const NcclJob& job);

}  // namespace grit
