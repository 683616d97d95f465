// Telling the node's observer of values that a workload found wrong.
#pragma once

#include "workloads/data_pattern.hpp"
#include "workloads/workload.hpp"

namespace grit {

/// Of which operation, in which block of the run.
struct CheckedOperation {
  CollectiveOperation operation = CollectiveOperation::all_reduce;
  OperationHandle handle{};
  std::uint32_t block = 0;  // StepRecord::block
};

/// After count_wrong() has found some among these sums: the first of them, an example by which the analysis works out
/// who sent it. Arguments as of SumPattern::count_wrong().
void report_wrong_sum(const WorkloadContext& context, const CheckedOperation& checked, const SumPattern& pattern,
                      const std::byte* sums, std::size_t first, std::size_t count);
/// The same of values that came from one rank of the group: `source_rank` is that rank's number in the job.
void report_wrong_copy(const WorkloadContext& context, const CheckedOperation& checked, const CopyPattern& pattern,
                       const std::byte* values, int source, int destination, std::size_t first, std::size_t count,
                       int source_rank);

}  // namespace grit
