#include "analysis/blame/peers.hpp"

#include <cmath>
#include <map>
#include <string>
#include <tuple>

#include "analysis/blame/blame_facts.hpp"
#include "analysis/stats/median.hpp"
#include "analysis/stats/noise_floor.hpp"

namespace grit {
namespace {

/// So many other nodes of its role say what is normal for a rank.
constexpr std::size_t kEnoughNodes = 3;

}  // namespace

Peers::Peers(const Plan& plan, const OwnWork& work) : is_one_group_(work.is_one_group()) {
  weights_.resize(work.ranks());
  ranks_of_.resize(work.nodes());
  for (std::size_t rank = 0; rank < work.ranks(); ++rank) {
    const auto node = static_cast<std::size_t>(work.node_of(rank));
    weights_[rank] = 1 / static_cast<double>(plan.topology.nodes[node].ranks.size());
    ranks_of_[node].push_back(rank);
  }
  if (is_one_group_) return;
  std::map<std::tuple<int, std::string, int>, std::map<std::size_t, std::vector<std::size_t>>> groups;
  for (std::size_t node = 0; node < ranks_of_.size(); ++node)
    for (const std::size_t rank : ranks_of_[node]) {
      const Node& one = plan.topology.nodes[node];
      groups[{work.mesh().role(static_cast<int>(rank)), one.cpu_model, one.cores}][node].push_back(rank);
    }
  for (const auto& [key, by_node] : groups) {
    Group& group = groups_.emplace_back(Group{.nodes = by_node.size()});
    for (const auto& [node, ranks] : by_node)
      for (const std::size_t rank : ranks) {
        group.ranks.push_back(rank);
        group.weights.push_back(1 / static_cast<double>(ranks.size()));
      }
  }
}

std::vector<double> Peers::less_all_nodes(const std::vector<double>& figures, const std::vector<double>& base) const {
  std::vector<double> of_nodes;  // the middle of each node's ranks, in relation to their bases
  for (const std::vector<std::size_t>& ranks : ranks_of_) {
    std::vector<double> shares;
    for (const std::size_t rank : ranks) shares.push_back(base[rank] > 0 ? figures[rank] / base[rank] : 0);
    of_nodes.push_back(median(std::move(shares)));
  }
  const std::vector<double> more = less_others(of_nodes, std::vector<double>(of_nodes.size(), 1.0));
  std::vector<double> result(figures.size());
  for (std::size_t node = 0; node < ranks_of_.size(); ++node)
    for (const std::size_t rank : ranks_of_[node])
      result[rank] = figures[rank] - base[rank] * (of_nodes[node] - more[node]);
  return result;
}

std::vector<double> Peers::excess(const std::vector<double>& figures, const std::vector<double>& base) const {
  if (is_one_group_) return less_others(figures, weights_);
  const std::vector<double> less_all = less_all_nodes(figures, base);
  std::vector<double> result = less_all;
  for (const Group& group : groups_) {
    if (group.nodes == 1) continue;
    std::vector<double> of_group;
    for (const std::size_t rank : group.ranks) of_group.push_back(figures[rank]);
    const std::vector<double> less_peers = less_others(of_group, group.weights);
    for (std::size_t i = 0; i < group.ranks.size(); ++i) {
      const std::size_t rank = group.ranks[i];
      const bool still = std::abs(figures[rank] - less_all[rank]) < kStill * std::abs(figures[rank]);
      if (group.nodes > kEnoughNodes || !still) result[rank] = less_peers[i];
    }
  }
  return result;
}

}  // namespace grit
