// Sees that no rank of the node gets anywhere.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "harness/base/clock.hpp"
#include "harness/record/segment.hpp"

namespace grit {

class HangWatch {
 public:
  /// Between blocks ranks wait for agents (60 s at most, harness/run/rank_loop.cpp), and for rank 0, which may have to
  /// read hours of records: far below the time limit of any batch job, far above any of these.
  static constexpr std::int64_t kBetweenBlocks_ns = 300 * kNsPerS;

  /// `hang_ns`: how long a step may take (Design::hang_ns).
  explicit HangWatch(std::int64_t hang_ns) : hang_ns_(hang_ns) {}

  /// For how long, in ns, no rank has begun a step nor entered or left a block, once that is too long; said once. Ranks
  /// that have not come to their first block are the launch's, and those that have finished get nowhere any more.
  std::optional<std::int64_t> look(std::span<const RankSlot> ranks, std::int64_t now_ns);

 private:
  std::int64_t hang_ns_;
  std::uint64_t progress_ = 0;
  std::int64_t progress_at_ns_ = 0;
  bool told_ = false;
};

}  // namespace grit
