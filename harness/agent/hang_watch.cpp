#include "harness/agent/hang_watch.hpp"

#include <algorithm>

namespace grit {

std::optional<std::int64_t> HangWatch::look(std::span<const RankSlot> ranks, std::int64_t now_ns) {
  std::uint64_t progress = 0;  // differs from the last when any of its parts does: none of them goes back in a block
  bool runs = false, in_block = false;
  for (const RankSlot& slot : ranks) {
    const int entered = slot.block_entered.load(), left = slot.block_left.load();
    progress += (static_cast<std::uint64_t>(entered + left + 2) << 32) + slot.step_in_block.load();
    runs = runs || (entered >= 0 && slot.end.load() != RankEnd::finished);
    in_block = in_block || left < entered;
  }
  if (!runs || progress != progress_) {
    progress_ = progress;
    progress_at_ns_ = now_ns;
    return std::nullopt;
  }
  const std::int64_t waited_ns = now_ns - progress_at_ns_;
  if (told_ || waited_ns < (in_block ? hang_ns_ : std::max(hang_ns_, kBetweenBlocks_ns))) return std::nullopt;
  told_ = true;
  return waited_ns;
}

}  // namespace grit
