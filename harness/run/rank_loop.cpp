#include "harness/run/rank_loop.hpp"

#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "harness/base/clock.hpp"

namespace grit {
namespace {

constexpr std::int64_t kAgentTimeout_ns = 60 * kNsPerS;

}  // namespace

void RankLoop::tell_agent() const {
  if (context_.agent != nullptr) context_.agent->wake();
}

Status RankLoop::wait_for_agent(int block) const {
  const std::int64_t deadline = monotonic_ns() + kAgentTimeout_ns;
  while (context_.control.agent_ready_block.load(std::memory_order_acquire) < block) {
    if (monotonic_ns() > deadline)
      return internal_error(
          fmt::format("the agent of node {} did not get ready for block {} within 60 s", context_.job.node(), block));
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return {};
}

/// Blocks in steps (and the warm-up) end by counting, which all ranks do alike. Blocks in time end by rank 0's vote,
/// which travels with the gradients: it votes in the first step that starts after the end.
bool RankLoop::should_vote(const Block& block, std::uint32_t step_in_block, std::int64_t now_ns) const {
  if (block.kind == BlockKind::warmup) return step_in_block + 1 >= context_.plan.design.warmup_steps;
  if (context_.plan.design.block_steps > 0) return step_in_block + 1 >= context_.plan.design.block_steps;
  if (context_.job.rank() != 0 || step_in_block < context_.plan.design.settle_steps) return false;
  return now_ns - context_.slot.block_entered_ns.load(std::memory_order_relaxed) >= context_.plan.design.block_ns;
}

Status RankLoop::run_block(const Block& block) {
  GRIT_CHECK(wait_for_agent(block.index));
  if (context_.progress != nullptr) context_.progress->block(block, block_step_ns_);
  context_.job.barrier();
  context_.slot.block_entered_ns.store(monotonic_ns(), std::memory_order_relaxed);
  context_.slot.block_entered.store(block.index, std::memory_order_release);
  tell_agent();

  StepRecord record;
  std::int64_t total_ns = 0;
  std::uint32_t step_in_block = 0;
  for (bool last = false; !last; ++step_in_block, ++step_) {
    record = StepRecord{};
    record.rank = static_cast<std::uint32_t>(context_.job.rank());
    record.node = static_cast<std::uint32_t>(context_.job.node());
    record.block = static_cast<std::uint32_t>(block.index);
    record.step = step_;
    record.step_in_block = step_in_block;
    GRIT_TRY(last, context_.workload.step(should_vote(block, step_in_block, monotonic_ns()), record));
    push_record(context_.slot, record);
    total_ns += record.end_ns - record.start_ns;
  }
  context_.slot.phase.store(static_cast<std::uint32_t>(Phase::between_blocks), std::memory_order_relaxed);
  context_.slot.block_left.store(block.index, std::memory_order_release);
  tell_agent();
  block_step_ns_ = static_cast<double>(total_ns) / step_in_block;
  return {};
}

Status RankLoop::run() {
  for (const Block& block : context_.plan.blocks) {
    GRIT_CHECK(run_block(block));
  }
  if (context_.progress != nullptr) context_.progress->end();
  return {};
}

}  // namespace grit
