// An NCCL job's operations as step records and spans.
#pragma once

#include <cstdint>
#include <vector>

#include "harness/model/collective_record.hpp"
#include "harness/model/mesh.hpp"
#include "harness/model/step_record.hpp"
#include "harness/run/nccl_clocks.hpp"
#include "harness/run/nccl_steps.hpp"

namespace grit {

/// The most that CollectiveRecord::bytes says here: no GPU has so much, and sums of it do not overflow.
inline constexpr std::int64_t kMostSpanBytes = std::int64_t{1} << 48U;

/// In the order of steps, and of ranks within each; `block` and `step_in_block` are not filled in. A rank that lacks a
/// step, or the device's times of it, has no record of it; neither has it one of a step in which an operation began
/// whose end is not known: that would count as the rank's own work.
std::vector<StepRecord> nccl_step_records(const NcclJob& job, const NcclSteps& steps, const NcclTimeline& line);

struct NcclSpans {
  std::vector<CollectiveRecord> spans{};
  std::uint64_t without_times = 0;  // operations of steps of whose device times none came
  std::uint64_t without_group = 0;  // of a communicator that is no group of the mesh
  std::uint64_t without_kind = 0;   // broadcasts and the like, which spans have no word for
};

/// Of the operations that lie in steps. Sends and receives are left out where operations were lost, for the k-th of one
/// side could then be another than that of the other.
NcclSpans nccl_spans(const NcclJob& job, const NcclSteps& steps, const NcclTimeline& line, const Mesh& mesh);

}  // namespace grit
