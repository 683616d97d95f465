#include "harness/run/rank_loop.hpp"

#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "analysis/report/finish.hpp"
#include "harness/base/clock.hpp"
#include "harness/model/event.hpp"
#include "harness/record/run_dir.hpp"

namespace grit {
namespace {

constexpr std::int64_t kAgentTimeout_ns = 60 * kNsPerS;
constexpr std::int64_t kLookPatience_ns = 5 * kNsPerS;  // for records that nodes still have
constexpr std::int64_t kLinkTest_ns = kNsPerS;          // where blocks are given in steps

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

bool RankLoop::look(const Block& block) const {
  const std::int64_t deadline = monotonic_ns() + kLookPatience_ns;
  while (context_.control.left_by_all.load(std::memory_order_acquire) < block.index - 1 && monotonic_ns() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const auto clear = is_clear_before(context_.run_directory, block.index);
  if (!clear) fmt::print(stderr, "grit: cannot look at the run so far: {}\n", clear.error().message);
  const bool goes_on = !clear || !*clear;
  Json event = make_event("look", 0);
  event["block"] = block.index;
  event["look"] = *look_before(context_.plan, block.index);
  event["pairs"] = block.pair;
  event["decision"] = goes_on ? "go_on" : "stop";
  // Beside the recorder, which appends to it, too: a line is one write(2).
  auto events = EventsWriter::open(context_.run_directory / "events.jsonl");
  const Status written = events ? events->append(event) : Status(tl::make_unexpected(events.error()));
  if (!written) fmt::print(stderr, "grit: cannot write down what was seen: {}\n", written.error().message);
  return goes_on;
}

/// Rank 0 looks and tells the others, whose first ranks tell their agents.
Result<bool> RankLoop::goes_on(const Block& block) const {
  if (!look_before(context_.plan, block.index)) return true;
  std::string decision;
  if (context_.job.rank() == 0) decision = look(block) ? "go_on" : "stop";
  if (context_.job.broadcast(decision) == "stop") return false;
  context_.control.look_passed.store(block.index);
  tell_agent();
  return true;
}

std::optional<std::int64_t> RankLoop::steps_of(const Block& block) const {
  const Design& design = context_.plan.design;
  if (block.kind == BlockKind::warmup) return design.warmup_steps;
  if (block.kind != BlockKind::recovery && design.block_steps > 0) return design.block_steps;
  return std::nullopt;
}

bool RankLoop::time_is_over(const Block& block, std::uint32_t step_in_block) const {
  const Design& design = context_.plan.design;
  const std::int64_t block_ns = block.kind == BlockKind::recovery ? design.recovery_ns : design.block_ns;
  if (step_in_block < design.settle_steps) return false;
  return monotonic_ns() - context_.slot.block_entered_ns.load(std::memory_order_relaxed) >= block_ns;
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
  const std::optional<std::int64_t> steps = steps_of(block);
  for (bool last = false; !last; ++step_in_block, ++step_) {
    context_.slot.step_in_block.store(step_in_block, std::memory_order_relaxed);
    record = StepRecord{};
    record.rank = static_cast<std::uint32_t>(context_.job.rank());
    record.node = static_cast<std::uint32_t>(context_.job.node());
    record.block = static_cast<std::uint32_t>(block.index);
    record.step = step_;
    record.step_in_block = step_in_block;
    context_.spans.begin_step(step_);
    if (!steps) GRIT_CHECK(context_.block_end.begin_step(time_is_over(block, step_in_block)));
    GRIT_CHECK(context_.workload.step(record));
    last = steps && step_in_block + 1 >= *steps;
    if (!steps) {
      GRIT_TRY(last, context_.block_end.end_step(record));
    }
    context_.spans.hand_over(context_.slot.spans);
    context_.slot.steps.push(record);
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
  context_.spans.finish(context_.slot.spans);
  if (context_.progress != nullptr) context_.progress->end();
  return {};
}

}  // namespace grit
