// Telling the node's observer of values that a workload found wrong.
#pragma once

#include <optional>

#include "workloads/data_pattern.hpp"
#include "workloads/workload.hpp"

namespace grit {

/// Of which operation, in which block of the run.
struct CheckedOperation {
  CollectiveOperation operation = CollectiveOperation::all_reduce;
  OperationHandle handle{};
  std::uint32_t block = 0;  // StepRecord::block
};

/// After check() has found some that are wrong among an operation's values: the first of them, an example by which the
/// analysis works out who sent it. Nothing where there is none.
void report_wrong_sum(const WorkloadContext& context, const CheckedOperation& checked, const SumPattern& pattern,
                      const std::optional<WrongElement>& wrong);
/// The same of values that came from one rank of the group: `source_rank` is that rank's number in the job.
void report_wrong_copy(const WorkloadContext& context, const CheckedOperation& checked, const CopyPattern& pattern,
                       const std::optional<WrongElement>& wrong, int source_rank);

}  // namespace grit
