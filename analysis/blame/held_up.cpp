#include "analysis/blame/held_up.hpp"

#include <algorithm>

#include "analysis/blame/peers.hpp"
#include "analysis/stats/median.hpp"
#include "analysis/stats/noise_floor.hpp"

namespace grit {
namespace {

void append(const std::vector<double>& values, std::vector<std::vector<double>>& to) {
  for (std::size_t rank = 0; rank < values.size(); ++rank) to[rank].push_back(values[rank]);
}

/// Without what an uneven router has a rank do.
double own_ns(const OwnWork& work, int block, std::size_t rank) {
  return work.rank(block, rank).own_ns() - work.routed_ns(block, rank);
}

/// By rank: what it held up the others by in a pair, and what of that was inside of collectives.
struct RankHold {
  double held_ns = 0, hidden_ns = 0;
};

RankHold hold_of(const OwnWork& work, const UsageGrowth& usage, const BlockPair& pair, std::size_t rank) {
  const auto stopped_ns = [&](int block) {
    const auto used = usage.of_block(block, rank);
    return used ? used->stopped_ns : 0;
  };
  const double grown_ns = own_ns(work, pair.fault, rank) - own_ns(work, pair.baseline, rank);
  const double held_ns = std::max(grown_ns, stopped_ns(pair.fault) - stopped_ns(pair.baseline));
  return {held_ns, std::max(held_ns - std::max(grown_ns, 0.0), 0.0)};
}

}  // namespace

HeldUp::HeldUp(const Plan& plan, const OwnWork& work, const UsageGrowth& usage, const std::vector<BlockPair>& pairs) {
  const std::size_t ranks = work.ranks();
  std::vector<std::vector<double>> excess(ranks), noise(ranks);
  std::vector<double> values(ranks), base(ranks);
  const Peers peers(plan, work);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const BlockPair& pair = pairs[i];
    auto& held_ns = of_node_ns_.emplace_back(work.nodes(), 0.0);
    auto& hidden_ns = hidden_ns_.emplace_back(work.nodes(), 0.0);
    communication_ns_.push_back(work.block(pair.fault).communication_ns() -
                                work.block(pair.baseline).communication_ns());
    const double most_hidden_ns = std::max(communication_ns_.back(), 0.0);
    for (std::size_t rank = 0; rank < ranks; ++rank) {
      const RankHold hold = hold_of(work, usage, pair, rank);
      const auto node = static_cast<std::size_t>(work.node_of(rank));
      values[rank] = hold.held_ns;
      base[rank] = own_ns(work, pair.baseline, rank);
      held_ns[node] = std::max(held_ns[node], hold.held_ns);
      hidden_ns[node] = std::min(std::max(hidden_ns[node], hold.hidden_ns), most_hidden_ns);
    }
    append(peers.excess(values, base), excess);
    if (i == 0) continue;
    for (std::size_t rank = 0; rank < ranks; ++rank)
      values[rank] = base[rank] - own_ns(work, pairs[i - 1].baseline, rank);
    append(peers.excess(values, base), noise);
  }
  for (const auto& of_rank : excess) {
    excess_ns_.push_back(median(of_rank));
    const auto steady =
        std::count_if(of_rank.begin(), of_rank.end(), [&](double one) { return 2 * one >= excess_ns_.back(); });
    steadiness_.push_back(static_cast<double>(steady) / static_cast<double>(of_rank.size()));
  }
  floor_ns_ = noise_floors_ns(noise, pairs.size());
  find_outstanding(plan);
}

void HeldUp::find_outstanding(const Plan& plan) {
  for (std::size_t node = 0; node < plan.topology.nodes.size(); ++node) {
    std::optional<std::size_t> found;
    for (const int of_node : plan.topology.nodes[node].ranks) {
      const auto rank = static_cast<std::size_t>(of_node);
      if (excess_ns_[rank] > floor_ns_[rank] && (!found || excess_ns_[rank] > excess_ns_[*found])) found = rank;
    }
    if (found) outstanding_.push_back({node, *found});
  }
  std::stable_sort(outstanding_.begin(), outstanding_.end(),
                   [&](const Outstanding& x, const Outstanding& y) { return excess_ns_[x.rank] > excess_ns_[y.rank]; });
}

}  // namespace grit
