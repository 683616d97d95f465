#include "analysis/blame/held_up.hpp"

#include <algorithm>
#include <cmath>

#include "analysis/stats/median.hpp"

namespace grit {
namespace {

constexpr double kMadToSigma = 1.4826;   // of a normal distribution
constexpr double kMedianError = 1.2533;  // of a median against a mean, of many normal values

/// Each value less the median of all others.
std::vector<double> less_others(const std::vector<double>& values) {
  const std::size_t others = values.size() - 1;
  if (others == 0) return std::vector<double>{0};
  std::vector<double> sorted = values;
  std::sort(sorted.begin(), sorted.end());
  std::vector<double> result;
  result.reserve(values.size());
  for (const double value : values) {
    const auto self = static_cast<std::size_t>(std::lower_bound(sorted.begin(), sorted.end(), value) - sorted.begin());
    const auto other = [&](std::size_t i) { return sorted[i < self ? i : i + 1]; };
    const double middle = others % 2 == 1 ? other(others / 2) : (other(others / 2 - 1) + other(others / 2)) / 2;
    result.push_back(value - middle);
  }
  return result;
}

void append_less_others(const std::vector<double>& values, std::vector<std::vector<double>>& to) {
  const auto less = less_others(values);
  for (std::size_t rank = 0; rank < values.size(); ++rank) to[rank].push_back(less[rank]);
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
  const double own_ns = work.rank(pair.fault, rank).own_ns() - work.rank(pair.baseline, rank).own_ns();
  const double held_ns = std::max(own_ns, stopped_ns(pair.fault) - stopped_ns(pair.baseline));
  return {held_ns, std::max(held_ns - std::max(own_ns, 0.0), 0.0)};
}

}  // namespace

std::vector<double> noise_floors_ns(const std::vector<std::vector<double>>& noise_ns, std::size_t pairs) {
  const auto ranks = static_cast<double>(noise_ns.size());
  std::vector<double> sigmas_ns;
  for (std::vector<double> values : noise_ns) {
    for (double& value : values) value = std::abs(value);
    sigmas_ns.push_back(kMadToSigma * median(std::move(values)));
  }
  const double middle_ns = median(sigmas_ns);
  const double chances = 2 + std::sqrt(2 * std::log(ranks));
  std::vector<double> floors_ns;
  for (const double sigma_ns : sigmas_ns)
    floors_ns.push_back(chances * kMedianError * std::max(sigma_ns, middle_ns) / std::sqrt(static_cast<double>(pairs)));
  return floors_ns;
}

HeldUp::HeldUp(const Plan& plan, const OwnWork& work, const UsageGrowth& usage, const std::vector<BlockPair>& pairs) {
  const std::size_t ranks = work.ranks();
  std::vector<std::vector<double>> excess(ranks), noise(ranks);
  std::vector<double> values(ranks);
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
      held_ns[node] = std::max(held_ns[node], hold.held_ns);
      hidden_ns[node] = std::min(std::max(hidden_ns[node], hold.hidden_ns), most_hidden_ns);
    }
    append_less_others(values, excess);
    if (i == 0) continue;
    for (std::size_t rank = 0; rank < ranks; ++rank)
      values[rank] = work.rank(pair.baseline, rank).own_ns() - work.rank(pairs[i - 1].baseline, rank).own_ns();
    append_less_others(values, noise);
  }
  for (auto& of_rank : excess) excess_ns_.push_back(median(std::move(of_rank)));
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
