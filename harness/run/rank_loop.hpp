// A rank's life from the first block to the last.
#pragma once

#include <filesystem>
#include <optional>

#include "harness/agent/agent_process.hpp"
#include "harness/model/plan.hpp"
#include "harness/record/segment.hpp"
#include "harness/run/block_end.hpp"
#include "harness/run/job.hpp"
#include "harness/run/link_test.hpp"
#include "harness/run/progress.hpp"
#include "workloads/workload.hpp"

namespace grit {

/// What the loop works with; all of it outlives the loop.
struct RankContext {
  const Job& job;
  const Plan& plan;
  NodeControl& control;
  RankSlot& slot;
  Workload& workload;
  BlockEnd& block_end;
  SpanSink& spans;                             // of all that the workload's communicators do
  AgentProcess* agent;                         // on the node's first rank; elsewhere nullptr
  ProgressLine* progress;                      // on rank 0; elsewhere nullptr
  const std::filesystem::path& run_directory;  // rank 0 looks at what is there
  LinkTest* links;                             // for blocks in which links are measured; nullptr: the plan has none
};

class RankLoop {
 public:
  explicit RankLoop(const RankContext& context)
      : context_(context), step_(static_cast<std::uint32_t>(context.plan.first_step)) {}

  /// Runs all blocks. Error: the workload failed, or the node's agent did not get ready for a block within a minute.
  Status run();

 private:
  [[nodiscard]] Status wait_for_agent(int block) const;
  /// False when the run has shown what it can and stops before this block.
  [[nodiscard]] Result<bool> goes_on(const Block& block) const;
  /// On rank 0: is the block needed? What all agents have sent of the blocks before is judged as if the run ended
  /// there.
  [[nodiscard]] bool look(const Block& block) const;
  Status run_block(const Block& block);
  Status run_steps(const Block& block);
  /// Which all ranks count alike. Empty: the block is one in time (block_end.hpp).
  [[nodiscard]] std::optional<std::int64_t> steps_of(const Block& block) const;
  [[nodiscard]] bool time_is_over(const Block& block, std::uint32_t step_in_block) const;
  void tell_agent() const;

  RankContext context_;
  std::uint32_t step_;
  double block_step_ns_ = 0;  // mean step time of the block before, for the progress line
};

}  // namespace grit
