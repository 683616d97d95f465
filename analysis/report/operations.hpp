// The report's pass over the spans of operations: how many of what, how large, how fast.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "harness/model/collective_record.hpp"
#include "harness/model/plan.hpp"

namespace grit {

struct StepPoint;

/// The operations of one kind, axis and size in the measured steps of one kind of block.
struct OperationFigures {
  std::uint64_t count = 0;
  std::uint64_t wrong = 0;  // received values that were wrong
  double bytes = 0;         // of all together (CollectiveRecord::bytes)
  /// From a rank's entry to its seeing the operation complete: what a late rank costs the others is in it. To 1 %.
  double median_ns = 0, p90_ns = 0;
  /// The median of the operations' own, by nccl-tests' definition (bus_bandwidth.hpp), with these times. To 1 %. 0:
  /// there is none in a group of one rank.
  double bus_bits_per_s = 0;
};

struct OperationRow {
  CollectiveOperation operation = CollectiveOperation::all_reduce;
  std::string axis{};                            // RecordedGroup::axis
  int ranks = 0;                                 // of a group
  std::int64_t least_bytes = 0, most_bytes = 0;  // of an operation; all within a factor of two
  OperationFigures baseline{}, fault{};
};

/// One pass, in any order of the spans; memory does not grow with their number. `steps`: which step is in which block,
/// and measured. Spans of other steps, of groups that the mesh does not have, and not complete ones count for nothing.
std::vector<OperationRow> sum_operations(const Plan& plan, std::span<const StepPoint> steps,
                                         std::span<const CollectiveRecord> spans);

}  // namespace grit
