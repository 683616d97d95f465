#include "harness/run/rank_loop.hpp"

#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "harness/base/clock.hpp"

namespace grit {
namespace {

constexpr std::int64_t kAgentTimeout_ns = 60 * kNsPerS;
constexpr std::int64_t kLinkTest_ns = kNsPerS;  // where blocks are given in steps

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

/// Node 0's agent looks; rank 0 hears it in shared memory and tells the others, whose first ranks tell their agents.
Result<bool> RankLoop::goes_on(const Block& block) const {
  if (!look_before(context_.plan, block.index)) return true;
  std::string decision;
  if (context_.job.rank() == 0) {
    tell_agent();
    const std::int64_t deadline = monotonic_ns() + kAgentTimeout_ns;
    while (context_.control.look_decided.load(std::memory_order_acquire) < block.index && monotonic_ns() < deadline)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const bool decided = context_.control.look_decided.load(std::memory_order_acquire) >= block.index;
    decision = !decided ? "" : context_.control.look_goes_on.load() ? "go_on" : "stop";
  }
  decision = context_.job.broadcast(decision);
  if (decision.empty())
    return internal_error(
        fmt::format("node 0's agent did not say within 60 s whether block {} is needed", block.index));
  if (decision == "stop") return false;
  context_.control.look_passed.store(block.index);
  tell_agent();
  return true;
}

/// Blocks in steps (and the warm-up) end by counting, which all ranks do alike. Blocks in time end by rank 0's vote,
/// which travels with the gradients: it votes in the first step that starts after the end.
bool RankLoop::should_vote(const Block& block, std::uint32_t step_in_block, std::int64_t now_ns) const {
  if (block.kind == BlockKind::warmup) return step_in_block + 1 >= context_.plan.design.warmup_steps;
  const std::int64_t block_ns =
      block.kind == BlockKind::recovery ? context_.plan.design.recovery_ns : context_.plan.design.block_ns;
  if (block.kind != BlockKind::recovery && context_.plan.design.block_steps > 0)
    return step_in_block + 1 >= context_.plan.design.block_steps;
  if (context_.job.rank() != 0 || step_in_block < context_.plan.design.settle_steps) return false;
  return now_ns - context_.slot.block_entered_ns.load(std::memory_order_relaxed) >= block_ns;
}

Status RankLoop::run_block(const Block& block) {
  GRIT_CHECK(wait_for_agent(block.index));
  if (context_.progress != nullptr) context_.progress->block(block, block_step_ns_);
  context_.job.barrier();
  context_.slot.step_in_block.store(0, std::memory_order_relaxed);
  context_.slot.block_entered_ns.store(monotonic_ns(), std::memory_order_relaxed);
  context_.slot.block_entered.store(block.index, std::memory_order_release);
  tell_agent();
  if (is_link_test(block.kind)) {
    GRIT_ASSERT(context_.links != nullptr);
    const std::int64_t block_ns = context_.plan.design.block_ns;
    context_.links->run(block, block_ns > 0 ? block_ns : kLinkTest_ns, context_.slot);
  } else {
    GRIT_CHECK(run_steps(block));
  }
  context_.slot.phase.store(static_cast<std::uint32_t>(Phase::between_blocks), std::memory_order_relaxed);
  context_.slot.block_left.store(block.index, std::memory_order_release);
  tell_agent();
  return is_link_test(block.kind) ? context_.links->save() : Status();
}

Status RankLoop::run_steps(const Block& block) {
  StepRecord record;
  std::int64_t total_ns = 0;
  std::uint32_t step_in_block = 0;
  for (bool last = false; !last; ++step_in_block, ++step_) {
    context_.slot.step_in_block.store(step_in_block, std::memory_order_relaxed);
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
  block_step_ns_ = static_cast<double>(total_ns) / step_in_block;
  return {};
}

Status RankLoop::run() {
  for (const Block& block : context_.plan.blocks) {
    GRIT_TRY(const bool on, goes_on(block));
    if (!on) break;
    GRIT_CHECK(run_block(block));
  }
  if (context_.progress != nullptr) context_.progress->end();
  return {};
}

}  // namespace grit
