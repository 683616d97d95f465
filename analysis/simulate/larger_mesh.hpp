// A run's plan with more data-parallel replicas: which rank of the larger job stands for which measured one.
//
// Data parallelism is the one axis that grows by copying: every replica does the same work on its own share of the
// batch, so that a rank's work and what it exchanges within its replica stay as they are, and only the groups across
// replicas (dp, edp and the world) become larger. With experts, ep consecutive replicas share one set of them and grow
// together. What is copied is therefore a *unit*: the ranks of ep replicas, one replica without experts.
#pragma once

#include <vector>

#include "harness/base/result.hpp"
#include "harness/model/plan.hpp"

namespace grit {

class LargerMesh {
 public:
  /// Of the measured plan, with so many ranks on dp. Error (usage): fewer than measured, no multiple of what was
  /// measured, a single unit (which says nothing of how units differ), or nodes of which it cannot be said how more of
  /// them would hold the ranks: unequal ones, or one whose ranks would come apart.
  static Result<LargerMesh> grow(const Plan& measured, int dp);

  [[nodiscard]] const Mesh& measured() const { return measured_; }
  [[nodiscard]] const Mesh& larger() const { return larger_; }
  /// How many times as many ranks.
  [[nodiscard]] int factor() const { return larger_.ranks() / measured_.ranks(); }

  [[nodiscard]] int units_measured() const { return measured_.size(Axis::edp); }
  [[nodiscard]] int units() const { return larger_.size(Axis::edp); }
  /// Ranks of a unit; a seat is a place among them, 0 .. seats() - 1, the same in every unit.
  [[nodiscard]] int seats() const { return measured_.ranks() / units_measured(); }
  [[nodiscard]] int measured_rank(int unit, int seat) const { return rank_in(measured_, unit, seat); }
  [[nodiscard]] int rank(int unit, int seat) const { return rank_in(larger_, unit, seat); }

  /// Of the larger job, by the measured node's index. Measured units are the first ones of the larger job.
  [[nodiscard]] int node_of(int measured_node) const { return nodes_[static_cast<std::size_t>(measured_node)]; }
  /// The measured plan for the larger job: its faults stay on the nodes on which they were, all other nodes are copies
  /// without addresses. A measured node keeps its name; another is called "simulated" and its index.
  [[nodiscard]] Plan plan(const Plan& measured) const;

 private:
  LargerMesh(Mesh measured, Mesh larger) : measured_(measured), larger_(larger) {}
  [[nodiscard]] static int rank_in(const Mesh& mesh, int unit, int seat);
  Status place_nodes(const Topology& topology);

  Mesh measured_, larger_;
  int ranks_per_node_ = 1;
  std::vector<int> nodes_{};  // by measured node
};

}  // namespace grit
