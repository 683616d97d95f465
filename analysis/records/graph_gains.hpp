// What steps would take with some nodes put right, on a mesh: by playing the graphs of some steps of each block.
//
// Put right is a rank whose work is that of its peers in the same step: ranks of the same role (Mesh::role()) on other
// nodes of the same class (model of CPU and number of cores), the median of at most kMostPeers of them. A rank without
// such peers is held against itself: the median of the steps of its pair's baseline block, as much longer as the work
// of the other nodes has become since. Works are compared from one operation that a rank begins to the next, and only
// put right in steps in which they are longer in all. What others work and how long transfers take stays as it was
// measured.
//
// Tokens that an uneven router sends to some experts make their ranks work for longer, and nobody is to blame for that:
// all of this is of works and transfers as they would be with a balanced router (step_graph.hpp); what the router costs
// is a figure of its own.
//
// A rank that never waited for an operation, since it was over when the rank asked for it, is taken not to depend on
// it: put right, such a rank gains at least what it really would.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "analysis/records/step_graphs.hpp"
#include "harness/model/mesh.hpp"
#include "harness/model/mesh_groups.hpp"
#include "harness/model/plan.hpp"

namespace grit {

constexpr std::size_t kMostPeers = 15;
/// So many nodes may stall in the same step, each in its own turn.
constexpr std::size_t kMostLast = 3;

/// Durations are nanoseconds of a step, the mean over the steps of a block that are in graphs.
class GraphGains {
 public:
  /// `most_last`: up to so many nodes are put right as the last ones of a step.
  GraphGains(const Plan& plan, const Mesh& mesh, std::vector<BlockGraphs> graphs, std::size_t most_last);

  /// Are at least half of a block's chosen steps in graphs?
  [[nodiscard]] bool has(int block) const;
  /// Steps that were to be in graphs, and those of which spans or records are missing.
  [[nodiscard]] std::size_t chosen() const { return chosen_; }
  [[nodiscard]] std::size_t left_out() const { return left_out_; }

  [[nodiscard]] const RecordedGroups& groups() const { return groups_; }

  // Of a block that has().
  /// By how much a step is longer for these nodes; for this rank.
  [[nodiscard]] double gain_ns(int block, std::span<const std::size_t> nodes) const;
  [[nodiscard]] double rank_gain_ns(int block, std::size_t rank) const;
  /// Part of what goes when in each step the last ones are put right, those who hold up its critical path most.
  [[nodiscard]] double node_gain_ns(int block, std::size_t node, std::size_t last) const;
  /// What there is because of an uneven router: of a step, and of the work of a rank in it.
  [[nodiscard]] double routed_ns(int block) const { return sums_[at(block)].routed_ns; }
  [[nodiscard]] double rank_routed_ns(int block, std::size_t rank) const { return rank_routed_ns_[at(block)][rank]; }
  /// By which share more tokens than the mean of its group a rank's experts got; and those who got most each time.
  [[nodiscard]] double rank_routed_share(int block, std::size_t rank) const {
    return rank_routed_share_[at(block)][rank];
  }
  [[nodiscard]] double most_routed_share(int block) const { return sums_[at(block)].most_routed_share; }
  /// How long operations took among those who had some (OperationKey::sequence is 0), all of a step together, from when
  /// the last one had begun.
  [[nodiscard]] const std::map<OperationKey, double>& transfers_ns(int block) const { return transfers_ns_[at(block)]; }
  /// How long its stretches are with a balanced router, to be held against the same stretches with other works.
  [[nodiscard]] double end_ns(int block) const;
  /// The share of a step's time that is work of those on whom it hangs at the time.
  [[nodiscard]] double work_share(int block) const { return sums_[at(block)].work_share; }

 private:
  struct Sums {
    double routed_ns = 0, work_share = 0, most_routed_share = 0;
  };
  /// A rank's work from one operation that it begins to the next. What it does after its last one in a stretch is none,
  /// for where that ends depends on whether it waits.
  struct Segment {
    std::uint32_t first_event = 0, end_event = 0;
    std::uint8_t step = 0;    // in the stretch
    std::uint32_t place = 0;  // in that step
    double work_ns = 0;
  };
  /// The works of a rank's events in a stretch, put right.
  struct Repair {
    std::vector<Segment> segments{};
    std::vector<double> factors{};  // by segment; 1: left as it is
    std::vector<double> over_ns{};  // by step: by how much the work is longer than it should be
  };

  [[nodiscard]] static std::size_t at(int block) { return static_cast<std::size_t>(block); }
  [[nodiscard]] static std::vector<Segment> segments_of(const StepGraph& graph, std::size_t rank);
  /// The median work of its peers, by segment; empty: it has none that began as many operations in each step.
  [[nodiscard]] std::vector<double> level_of_peers(const StepGraph& graph, std::size_t rank,
                                                   const std::vector<Segment>& own,
                                                   const std::vector<bool>& repaired) const;
  /// What it worked without the fault, as much longer as the others have become.
  [[nodiscard]] std::vector<double> level_of_baseline(std::size_t block, std::size_t rank,
                                                      const std::vector<Segment>& own,
                                                      const std::vector<bool>& repaired) const;
  /// By which factor the own work of the other nodes is larger than in the pair's baseline block, in the middle.
  [[nodiscard]] double growth_of_others(std::size_t block, std::size_t node, const std::vector<bool>& repaired) const;
  [[nodiscard]] Repair repair_of(std::size_t block, const StepGraph& graph, std::size_t rank,
                                 const std::vector<bool>& repaired) const;
  /// `only_step`: in that step alone; below 0: in all.
  static void apply(const Repair& repair, std::vector<float>& work_ns, int only_step);
  [[nodiscard]] double gain_of_ranks_ns(std::size_t block, std::span<const std::size_t> ranks,
                                        const std::vector<bool>& repaired) const;
  void add_works(std::size_t block);
  void add_sums(std::size_t block);
  void add_turns(std::size_t block, const StepGraph& graph, const Played& played);
  /// By how much each node's work in each step on the path is too long; by step and node.
  [[nodiscard]] std::vector<std::vector<double>> over_on_path(std::size_t block, const StepGraph& graph,
                                                              const CriticalPath& path,
                                                              std::span<const float> work_ns) const;

  std::vector<BlockGraphs> graphs_;
  std::size_t most_last_;
  RecordedGroups groups_;
  std::vector<std::size_t> node_of_{};                // by rank
  std::vector<std::vector<std::size_t>> ranks_of_{};  // by node
  std::vector<int> class_of_{};                       // by node
  std::vector<std::vector<std::size_t>> of_role_{};   // ranks by role
  std::vector<std::size_t> role_of_{};                // by rank
  std::vector<std::size_t> baseline_of_{};            // by block: that of its pair
  std::vector<std::vector<double>> end_ns_{};         // by block and graph: with a balanced router
  std::vector<Sums> sums_{};                          // by block
  std::vector<std::vector<double>> rank_work_ns_{}, rank_routed_ns_{}, rank_routed_share_{};  // by block and rank
  std::vector<std::map<OperationKey, double>> transfers_ns_{};                                // by block
  std::vector<std::vector<std::array<double, kMostLast>>> node_gain_ns_{};                    // by block and node
  std::size_t chosen_ = 0, left_out_ = 0;
};

}  // namespace grit
