#include "harness/model/attempt.hpp"

#include <algorithm>
#include <string>

#include "harness/base/result.hpp"

namespace grit {
namespace {

/// The plan's blocks from `first` on, behind a warm-up of so many steps, or behind none of them.
void keep_from(Plan& plan, int first, std::int64_t warmup_steps) {
  const int shift = (warmup_steps > 0 ? 1 : 0) - first;
  std::vector<Block> blocks;
  if (warmup_steps > 0) blocks.push_back({.index = 0, .pair = -1, .kind = BlockKind::warmup});
  for (Block block : plan.blocks) {
    if (block.index < first) continue;
    block.index += shift;
    blocks.push_back(block);
  }
  plan.blocks = std::move(blocks);
  plan.design.warmup_steps = warmup_steps;
  for (PlannedFault& fault : plan.faults) {
    std::erase_if(fault.pulses, [&](const Pulse& pulse) { return pulse.block >= 0 && pulse.block < first; });
    for (Pulse& pulse : fault.pulses)
      if (pulse.block >= 0) pulse.block += shift;
  }
}

}  // namespace

std::filesystem::path attempt_directory(const std::filesystem::path& run_directory, int attempt) {
  return attempt == 1 ? run_directory : run_directory / "attempts" / std::to_string(attempt);
}

std::filesystem::path checkpoint_directory(const std::filesystem::path& directory, int attempt) {
  return (attempt == 1 ? directory : directory.parent_path().parent_path()) / "checkpoints";
}

std::int64_t steps_of(const Plan& plan, const Block& block) {
  if (block.kind == BlockKind::warmup) return plan.design.warmup_steps;
  return is_link_test(block.kind) ? 0 : plan.design.block_steps;
}

Plan next_attempt(const Plan& plan, int last_block) {
  Plan next = plan;
  next.attempt = plan.attempt + 1;
  next.first_step = 0;
  next.expect = {};  // of the run as a whole
  // A warm-up that did not begin is made up for like one that did.
  if (last_block < 0 && !plan.blocks.empty() && plan.blocks.front().kind == BlockKind::warmup) last_block = 0;
  std::int64_t until = plan.first_step;
  for (const Block& block : plan.blocks)
    if (block.index <= last_block) until += steps_of(plan, block);
  keep_from(next, last_block + 1, until);
  return next;
}

Plan beginning_at(Plan plan, std::int64_t first_step) {
  const bool has_warmup = !plan.blocks.empty() && plan.blocks.front().kind == BlockKind::warmup;
  const std::int64_t left = (has_warmup ? plan.design.warmup_steps : 0) + plan.first_step - first_step;
  GRIT_ASSERT(left >= 0);
  keep_from(plan, has_warmup ? 1 : 0, left);
  plan.first_step = first_step;
  return plan;
}

}  // namespace grit
