// Who begins the collectives of an NCCL job last, and makes the others wait.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/run/nccl_clocks.hpp"
#include "harness/run/nccl_steps.hpp"

namespace grit {

/// Of the collectives of one communicator, function and number of elements that nobody leaves before all have begun
/// them, and that lie in steps.
struct NcclArrivals {
  struct Rank {
    int rank = 0;
    std::uint64_t last = 0;  // collectives that it began last, later than anybody else can have, by the clocks' errors
    double median_behind_ns = 0;  // of these: behind the one before
  };
  std::uint32_t communicator = 0;
  NcclFunction function = NcclFunction::other;
  std::uint64_t elements = 0;
  std::uint64_t collectives = 0;    // with times of the device of all of its ranks
  std::uint64_t nobody = 0;         // of these: in which another one can have been the last, by the clocks' errors
  std::uint64_t contradicting = 0;  // beside these: that one left before another began, by more than these errors
  std::int64_t error_ns = 0;        // the largest sum of two errors that was met
  double behind_ns = 0;             // all that the last ones were behind, together
  std::vector<Rank> ranks{};        // that were last at all, the most frequent first
};

/// One for each such kind of collectives of two ranks or more; those first that the last ones held up the most.
std::vector<NcclArrivals> nccl_arrivals(const NcclJob& job, const NcclSteps& steps, const NcclTimeline& line);

/// "AllReduce of 4096 elements in dp (8 ranks), 100 times: rank 3 (b) began 97 last, ..."
std::string arrivals_text(const NcclJob& job, const NcclArrivals& arrivals);

}  // namespace grit
