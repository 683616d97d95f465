// What the kernel counted more of under the fault than without it: for ranks, and for everybody else on their machine.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "analysis/facts/block_usage.hpp"
#include "analysis/records/own_work.hpp"
#include "harness/model/plan.hpp"
#include "harness/record/json_lines.hpp"

namespace grit {

/// Block::index of the two blocks of a pair.
struct BlockPair {
  int baseline = -1, fault = -1;
};

/// All figures are a step's; growth is the middle over the pairs.
class UsageGrowth {
 public:
  UsageGrowth(const Plan& plan, const OwnWork& work, const JsonLines& events, std::vector<BlockPair> pairs);

  /// Empty: not known.
  [[nodiscard]] std::optional<Usage> of_block(int block, std::size_t rank) const;

  /// Of one rank in one pair. A rank that waits longer in a collective also polls for longer. So that polling is not
  /// taken for busy CPUs, the baseline block's CPU time and waiting for a CPU in as much more time are subtracted.
  /// Empty: not known.
  [[nodiscard]] std::optional<Usage> of_pair(const BlockPair& pair, std::size_t rank) const;
  /// Of one rank: the middle over the pairs. Empty: not known of all pairs.
  [[nodiscard]] std::optional<Usage> of_rank(std::size_t rank) const;

  /// Time waiting for a CPU, of the middle rank; 0 where it is not known.
  [[nodiscard]] double middle_wait_ns() const;

  /// What processes that are no ranks took of a node's machine, beyond what they take in so long a time without the
  /// fault: of what always runs beside, a longer step has more. Where all CPUs were busy already, what they took of a
  /// step more than without the fault. Empty: not known.
  [[nodiscard]] std::optional<OthersUsage> others(std::size_t node) const;
  /// The same in each pair; none where it is not known of all of them.
  [[nodiscard]] std::vector<OthersUsage> others_by_pair(std::size_t node) const;
  /// Of the middle node. Empty: not known of every node.
  [[nodiscard]] std::optional<OthersUsage> middle_others() const;

  /// Nodes by machine: those of a local cluster are one, as are containers of one host.
  [[nodiscard]] const std::vector<std::vector<std::size_t>>& machines() const { return machines_; }
  /// All CPUs of a node's machine were busy in most baseline blocks: then nobody can be seen to take more of them.
  [[nodiscard]] bool was_full(std::size_t node) const;

 private:
  [[nodiscard]] std::optional<OthersUsage> others(int block, std::size_t node) const;
  [[nodiscard]] bool was_full(int block, std::size_t node) const;

  const Plan& plan_;
  const OwnWork& work_;
  BlockUsage usage_;
  std::vector<BlockPair> pairs_;
  std::vector<std::vector<std::size_t>> machines_{};  // the nodes of each
  std::vector<std::size_t> machine_of_{};             // by node
};

}  // namespace grit
