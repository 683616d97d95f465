// Where the steps of an unmodified NCCL job begin: its profile knows of operations only.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "harness/run/nccl_job.hpp"

namespace grit {

struct NcclSteps {
  std::size_t operations = 0;  // a step, of rank 0
  std::string begins_with{};   // "AllReduce of 1048576 elements in world"
  std::size_t left_out = 0;    // operations of rank 0 before, after and between regular steps
  /// By rank and step: the place among the rank's operations of the one with which the step begins, and one place more
  /// for the end of the last. A place that is as large as the one after it: the rank lacks that step.
  std::vector<std::vector<std::size_t>> begins{};
  std::size_t steps = 0;
};

/// A step is the shortest sequence of operations (communicator, function, elements, peer) of rank 0 that follows itself
/// over and over: the period with which most operations are followed by one of their like; or, if that is given, as
/// long as `operations`. The longest stretch in which that holds without exception is cut into steps. Each begins at a
/// collective of the largest communicator, at that one before which rank 0 was longest without an operation: in the
/// middle, over the steps. The other ranks' steps begin at the same collective, or, where they do not take part, at
/// the first one of each step that they share with a rank whose steps are known. Where a rank's step begins may so be
/// off by a part of a step, never by a whole one.
///
/// Error (usage): no period explains half of the operations, fewer than kFewestNcclSteps steps follow each other, or a
/// rank shares no collective; says what to do.
Result<NcclSteps> find_nccl_steps(const NcclJob& job, std::optional<std::size_t> operations);

inline constexpr std::size_t kFewestNcclSteps = 6;

}  // namespace grit
