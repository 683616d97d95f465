// Bus bandwidth: what an operation asks of the slowest link, so that it can be held against the link's own rate
// whatever the operation and the number of ranks.
#pragma once

#include <cstdint>

#include "harness/model/collective_record.hpp"

namespace grit {

/// By how much the bus bandwidth differs from bytes / time in a group of `ranks` (nccl-tests, doc/PERFORMANCE.md,
/// "Summary"; send and receive: src/sendrecv.cu). Of an all-to-all with unequal parts it is an approximation: the
/// factor takes it that each rank keeps 1/ranks of its bytes. 0 in a group of one, except for a send to itself.
constexpr double bus_bandwidth_factor(CollectiveOperation operation, int ranks) {
  const double n = ranks;
  switch (operation) {
    case CollectiveOperation::all_reduce:
      return 2 * (n - 1) / n;
    case CollectiveOperation::reduce_scatter:
    case CollectiveOperation::all_gather:
    case CollectiveOperation::all_to_all:
      return (n - 1) / n;
    case CollectiveOperation::send:
    case CollectiveOperation::receive:
      return 1;
  }
  return 0;
}

/// `bytes`: CollectiveRecord::bytes. `time_ns`: above 0, from the operation's start to its end.
constexpr double bus_bandwidth_bits_per_s(CollectiveOperation operation, int ranks, std::int64_t bytes,
                                          double time_ns) {
  return bus_bandwidth_factor(operation, ranks) * static_cast<double>(bytes) * 8e9 / time_ns;
}

}  // namespace grit
