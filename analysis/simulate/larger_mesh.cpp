#include "analysis/simulate/larger_mesh.hpp"

#include <fmt/format.h>

#include <set>
#include <utility>

namespace grit {

Result<LargerMesh> LargerMesh::grow(const Plan& measured, int dp) {
  const Mesh mesh = mesh_of(measured);
  const int before = mesh.size(Axis::dp);
  if (dp < before)
    return usage_error(fmt::format("--dp {}: the run has {} ranks on dp, and only more can be simulated", dp, before));
  if (dp % before != 0)
    return usage_error(fmt::format("--dp {}: the run has {} ranks on dp; give a multiple of that, e.g. --dp {}", dp,
                                   before, (dp / before + 1) * before));
  AxisValues sizes{{Axis::dp, dp},
                   {Axis::tp, mesh.size(Axis::tp)},
                   {Axis::pp, mesh.size(Axis::pp)},
                   {Axis::ep, mesh.size(Axis::ep)}};
  GRIT_TRY(const Mesh larger, Mesh::over(sizes, mesh.ranks() / before * dp));
  LargerMesh grown(mesh, larger);
  if (grown.units_measured() < 2)
    return usage_error(
        "the run has one replica, which says nothing of how replicas differ: measure with dp = 2 or more (with "
        "experts: "
        "twice ep or more)");
  GRIT_CHECK(grown.place_nodes(measured.topology));
  return grown;
}

/// rank = tp_rank + dp_rank · tp + pp_rank · tp · dp (harness/model/mesh.hpp); a seat counts tp, then ep, then pp.
int LargerMesh::rank_in(const Mesh& mesh, int unit, int seat) {
  const int tp = mesh.size(Axis::tp), ep = mesh.size(Axis::ep), dp = mesh.size(Axis::dp);
  const int tp_rank = seat % tp, ep_rank = seat / tp % ep, pp_rank = seat / (tp * ep);
  return tp_rank + (unit * ep + ep_rank) * tp + pp_rank * tp * dp;
}

/// Launchers fill one node after the other: as many ranks on each, in their order.
Status LargerMesh::place_nodes(const Topology& topology) {
  ranks_per_node_ = static_cast<int>(topology.nodes.front().ranks.size());
  std::vector<int> larger_of(static_cast<std::size_t>(measured_.ranks()));
  for (int unit = 0; unit < units_measured(); ++unit)
    for (int seat = 0; seat < seats(); ++seat)
      larger_of[static_cast<std::size_t>(measured_rank(unit, seat))] = rank(unit, seat);
  int next = 0;
  std::set<int> taken;
  for (const Node& node : topology.nodes) {
    if (static_cast<int>(node.ranks.size()) != ranks_per_node_)
      return usage_error("its nodes have different numbers of ranks, so that it cannot be said how more nodes would");
    int first = -1;
    for (const int measured_rank : node.ranks) {
      if (measured_rank != next++)
        return usage_error(
            "its ranks were not placed on one node after the other, so that it cannot be said where more would be");
      const int larger_rank = larger_of[static_cast<std::size_t>(measured_rank)];
      if (first < 0) first = larger_rank;
      if (larger_rank / ranks_per_node_ != first / ranks_per_node_)
        return usage_error(fmt::format(
            "{} has ranks of several pipeline stages, which would be on different nodes of the larger job", node.name));
    }
    nodes_.push_back(first / ranks_per_node_);
    if (!taken.insert(nodes_.back()).second)
      return usage_error("several of its nodes would be one node of the larger job");
  }
  return {};
}

Plan LargerMesh::plan(const Plan& measured) const {
  Plan plan = measured;
  plan.mesh = larger_;
  plan.topology.local_cluster = false;
  plan.topology.nodes.clear();
  const auto count = static_cast<std::size_t>(larger_.ranks() / ranks_per_node_);
  std::vector<int> measured_of(count, -1);
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    measured_of[static_cast<std::size_t>(nodes_[i])] = static_cast<int>(i);
  for (std::size_t index = 0; index < count; ++index) {
    const int from = measured_of[index];
    Node node = measured.topology.nodes[from < 0 ? index % nodes_.size() : static_cast<std::size_t>(from)];
    node.index = static_cast<int>(index);
    if (from < 0) {
      node.name = fmt::format("simulated{}", index);
      for (Nic& nic : node.nics) nic.mac.clear(), nic.addresses.clear();
    }
    node.ranks.clear();
    for (int i = 0; i < ranks_per_node_; ++i) node.ranks.push_back(node.index * ranks_per_node_ + i);
    plan.topology.nodes.push_back(std::move(node));
  }
  for (PlannedFault& fault : plan.faults) fault.node = node_of(fault.node);
  return plan;
}

}  // namespace grit
