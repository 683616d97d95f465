// How long every rank works by itself, and how long a step would take if one node did not hold up the others.
//
// A synchronised step is as long as the longest way through its dependencies: every rank works, all meet in the
// collectives, and who comes first waits (critical-path analysis of bulk-synchronous programs: D. Böhme et al.,
// Identifying the root causes of wait states in large-scale parallel applications, ICPP 2010). Between two collectives
// a rank does what is left of the step before (optimizer, checkpoint) and the next step up to its own collectives; so
//   time of a step = largest such work of any rank + communication that nothing hides,
// and the step without the fault of some nodes has instead the largest work of any rank of the others. The largest work
// of each node in each step is kept, so that this is exact for any set of nodes, after one pass.
//
// That is so where all ranks meet in one group. On a mesh with other axes than dp they do not, and what a step hangs on
// is seen from the spans of operations (graph_gains.hpp): after OwnWork::replay_by() the same figures come from these.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "analysis/records/graph_gains.hpp"
#include "analysis/records/node_clocks.hpp"
#include "harness/model/collective_record.hpp"
#include "harness/model/mesh.hpp"
#include "harness/model/phases.hpp"
#include "harness/model/plan.hpp"
#include "harness/model/step_record.hpp"

namespace grit {

/// One rank in one block.
struct RankWork {
  std::array<std::int64_t, kOwnPhases.size()> sum_ns{};  // over its measured steps
  double gain_ns = 0;       // sum over steps: by how much the step is longer for this rank alone
  std::uint32_t steps = 0;  // measured: after Design::settle_steps
  [[nodiscard]] double phase_ns(std::size_t phase) const {
    return steps == 0 ? 0 : static_cast<double>(sum_ns[phase]) / steps;
  }
  [[nodiscard]] double own_ns() const;  // a step, all phases
};

/// Who came last to the first collective of steps of one block. Only where that node's latest rank was later than every
/// other node's by more than the bounds of both clocks; else the step has no last.
struct NodeArrivals {
  std::uint32_t last = 0;  // steps
  double by_ns = 0;        // sum over these: behind the latest of the other nodes
};

/// All figures a step, over the measured steps that have one record of every rank.
struct BlockWork {
  std::int64_t steps = 0;     // these
  std::int64_t measured = 0;  // with those of which some rank's record is missing
  double step_ns = 0;         // mean over ranks
  double longest_ns = 0;      // the largest work between two collectives, of any rank; on a mesh the work of those on
                              // whom the step hangs
  double routed_ns = 0;       // on a mesh: by how much it is longer for an uneven router of tokens
  double storage_ns = 0;      // by how much it is longer for what OwnWork::without_storage() took off
  [[nodiscard]] double communication_ns() const { return step_ns - longest_ns - routed_ns - storage_ns; }
};

/// Of the baseline and fault blocks of pairs; others have no steps here.
class OwnWork {
 public:
  [[nodiscard]] std::size_t ranks() const { return node_of_rank_.size(); }
  [[nodiscard]] std::size_t nodes() const { return nodes_; }
  [[nodiscard]] int node_of(std::size_t rank) const { return node_of_rank_[rank]; }
  [[nodiscard]] bool has(int block) const { return slot(block) != kNone && blocks_[slot(block)].steps > 0; }
  /// Do all ranks meet in one group, so that step records tell what a step hangs on?
  [[nodiscard]] bool is_one_group() const { return mesh_.only_dp(); }
  [[nodiscard]] const Mesh& mesh() const { return mesh_; }
  /// Is it known what steps of this block would take with some nodes put right? Never where ranks do not meet in one
  /// group and there are no graphs.
  [[nodiscard]] bool can_replay(int block) const {
    return has(block) && (is_one_group() || (graphs_ && graphs_->has(block)));
  }
  [[nodiscard]] const std::optional<GraphGains>& graphs() const { return graphs_; }
  /// From now on the gains and what steps hang on are those of the graphs.
  void replay_by(GraphGains graphs);
  /// The same as if the ranks of these nodes did not wait for storage: what they did in input and checkpoint, with the
  /// fault and without it, is no own work, and what steps are longer for it is BlockWork::storage_ns. On a mesh see
  /// take_off_storage(). One more pass over the records of which this was made, and over the spans where they are used.
  [[nodiscard]] OwnWork without_storage(const Plan& plan, std::span<const StepRecord> records,
                                        std::span<const CollectiveRecord> spans, const Json& clock,
                                        std::span<const std::size_t> nodes) const;
  // Of a block that has().
  [[nodiscard]] const BlockWork& block(int block) const { return blocks_[slot(block)]; }
  [[nodiscard]] const RankWork& rank(int block, std::size_t rank) const { return work_[slot(block) * ranks() + rank]; }
  /// By how much a step is longer, on average, for these nodes alone: 0 of none, and of all of them.
  [[nodiscard]] double gain_ns(int block, std::span<const std::size_t> nodes) const;
  /// The same for one rank alone.
  [[nodiscard]] double rank_gain_ns(int block, std::size_t rank) const;
  /// Of a rank's own work a step: because of an uneven router of tokens, which is no fault of the rank's.
  [[nodiscard]] double routed_ns(int block, std::size_t rank) const {
    return graphs_ ? graphs_->rank_routed_ns(block, rank) : 0;
  }
  /// Up to so many nodes may be called the last ones of a step: kMostLast, but no more than half of all.
  [[nodiscard]] std::size_t most_last() const { return std::min(kMostLast, nodes_ / 2); }
  /// Of one node, kept; `last`: 1 .. most_last(). Over all nodes these add up to what goes when in each step the last
  /// ones, so many, are put right, and are no later than the one before them. Who is later than another of them has
  /// what the step is longer for that alone, and what it is longer for several together they have in equal parts
  /// (S. C. Littlechild and G. Owen, A simple expression for the Shapley value in a special case, Management Science
  /// 20, 1973).
  [[nodiscard]] double node_gain_ns(int block, std::size_t node, std::size_t last) const;
  [[nodiscard]] const NodeArrivals& arrivals(int block, std::size_t node) const {
    return arrivals_[slot(block) * nodes_ + node];
  }
  /// The largest sum of two clocks' bounds; nothing below it is claimed.
  [[nodiscard]] std::int64_t clock_bound_ns() const { return clock_bound_ns_; }

 private:
  friend class OwnWorkSum;
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  [[nodiscard]] std::size_t slot(int block) const {
    return block < 0 || static_cast<std::size_t>(block) >= slot_of_block_.size()
               ? kNone
               : slot_of_block_[static_cast<std::size_t>(block)];
  }
  /// `whole`: the same work before anything was taken off.
  void find_storage(const OwnWork& whole);

  std::size_t nodes_ = 0;
  Mesh mesh_{};
  std::optional<GraphGains> graphs_{};
  std::vector<int> node_of_rank_{};
  std::vector<std::size_t> slot_of_block_{};
  std::vector<BlockWork> blocks_{};  // by slot
  std::vector<RankWork> work_{};     // by slot and rank
  /// By slot: the largest work of each node in each of its steps, of single precision, which is a part in 10^7.
  std::vector<std::vector<float>> node_work_ns_{};
  std::vector<std::array<double, kMostLast>> node_gain_ns_{};  // by slot and node, sums; by how many are the last
  std::vector<NodeArrivals> arrivals_{};                       // by slot and node
  std::int64_t clock_bound_ns_ = 0;
};

/// Adds up records, in any order (in order of each rank's steps the optimizer and checkpoint are counted with the step
/// that they delay). Memory O(steps × nodes + ranks × blocks), 4 bytes a step and node. What fits no block or rank
/// counts for nothing.
class OwnWorkSum {
 public:
  /// `records`: how many there are in all; a block has at most as many steps.
  OwnWorkSum(const Plan& plan, NodeClocks clocks, std::size_t records);
  void take(std::span<const StepRecord> records);
  /// Once, at the end.
  [[nodiscard]] OwnWork finish();

 private:
  /// The largest of what the ranks of a step have, and the largest of another rank and of another node.
  struct Largest {
    static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::min();
    std::int64_t value = kNever, of_other_rank = kNever, of_other_node = kNever;
    std::int32_t rank = -1, node = -1;
    void take(std::int64_t one, std::int32_t of_rank, std::int32_t of_node);
  };
  struct Step {
    std::int64_t duration_ns = 0;  // sum over ranks
    std::uint32_t records = 0;
    bool clocks_known = true;
    Largest work{};
    Largest arrival{};
    std::vector<float> work_of_nodes_ns{};  // the largest of each node
  };
  /// What a rank still had to do when its last step's collectives were over.
  struct Before {
    std::int64_t rest_ns = 0;
    std::uint32_t step = std::numeric_limits<std::uint32_t>::max();
  };
  void take(const StepRecord& record);
  void finish(std::size_t slot);
  void add_gains(std::size_t slot, std::span<const float> work_of_nodes_ns);

  OwnWork result_{};
  NodeClocks clocks_;
  std::size_t records_;
  std::uint32_t settle_steps_;
  std::vector<std::vector<Step>> steps_{};  // by slot and step in the block
  std::vector<Before> before_{};            // by rank
};

/// One pass over the records. `clock`: clock.json, or null.
OwnWork own_work(const Plan& plan, std::span<const StepRecord> records, const Json& clock);

/// Where ranks do not meet in one group and there are spans, has OwnWork replayed by their graphs. Changes nothing
/// otherwise.
void add_graphs(OwnWork& work, const Plan& plan, std::span<const StepRecord> records,
                std::span<const CollectiveRecord> spans, const NodeClocks& clocks);

}  // namespace grit
