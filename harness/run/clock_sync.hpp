// How far the nodes' monotonic clocks are apart, with bounds that are certain.
#pragma once

#include "harness/base/json.hpp"
#include "harness/run/job.hpp"

namespace grit {

/// Collective. Rank 0 exchanges messages with the first rank of every node and keeps the exchange with the shortest
/// round trip: offset = remote − (sent + received)/2, wrong by at most half the round trip (Cristian, Distributed
/// Computing 3, 1989). On rank 0: [{"node", "offset_ns", "bound_ns", "at_ns"}...]; elsewhere null.
Json measure_clock_offsets(const Job& job);

}  // namespace grit
