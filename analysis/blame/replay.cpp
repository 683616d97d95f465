#include "analysis/blame/replay.hpp"

#include <algorithm>
#include <cmath>

#include "analysis/blame/blame_facts.hpp"
#include "analysis/stats/median.hpp"
#include "analysis/stats/noise_floor.hpp"
#include "analysis/stats/sign_flip.hpp"

namespace grit {
namespace {

/// Stops that add up to so many times what communication grew by lie over each other: those that lie apart add up to
/// about as much as it grew.
constexpr double kOverlap = 1.5;
constexpr double kTurnShare = 0.1;  // of the loss: then others may be slow in their turns
/// Of the loss: by so much more must go with one more of the last ones of each step put right, for more than the last
/// one to be put right. Where the work of nodes differs, a stall of one with little work makes those look less late.
constexpr double kOneMore = 0.1;

/// P(at least `least` of `trials` succeed) when each does with this probability.
double at_least_by_chance(std::size_t least, std::size_t trials, double probability) {
  double sum = 0;
  const auto n = static_cast<double>(trials);
  for (std::size_t i = least; i <= trials; ++i) {
    const auto k = static_cast<double>(i);
    const double log_ways = std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1);
    sum += std::exp(log_ways + k * std::log(probability) + (n - k) * std::log1p(-probability));
  }
  return std::min(sum, 1.0);
}

/// How many sets of this size there are.
double sets_of(std::size_t all, std::size_t size) {
  const auto n = static_cast<double>(all), k = static_cast<double>(size);
  return std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1));
}

}  // namespace

Replay::Replay(const OwnWork& work, const HeldUp& held_up, const std::vector<BlockPair>& pairs, double loss_ns)
    : work_(work), held_up_(held_up), pairs_(pairs), loss_ns_(loss_ns) {
  std::vector<double> hidden, apart;
  std::size_t at_once = 0;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const double grown_ns = std::max(held_up.communication_ns(i), 0.0);
    double stops_ns = 0;
    for (std::size_t node = 0; node < work.nodes(); ++node) stops_ns += held_up.hidden_ns(i, node);
    const bool overlap = stops_ns > kOverlap * grown_ns;
    apart.push_back(overlap || stops_ns <= 0 ? 0 : std::min(1.0, grown_ns / stops_ns));
    at_once += overlap ? 1 : 0;
    hidden.push_back(std::min(stops_ns, grown_ns));
  }
  hidden_ns_ = median(std::move(hidden));
  stopped_at_once_ = 2 * at_once > pairs.size();
  turns_ = turns_of(1, apart);
  for (std::size_t last = 2; last <= work.most_last(); ++last)
    if (Turns more = turns_of(last, apart); more.share > turns_.share + kOneMore) turns_ = std::move(more);
}

Replay::Turns Replay::turns_of(std::size_t last, const std::vector<double>& apart) const {
  Turns turns{.last = last, .gains_ns{}, .by_node = std::vector<double>(work_.nodes(), 0.0)};
  turns.gains_ns.resize(work_.nodes());
  if (work_.most_last() == 0) return turns;
  const auto all_gains_ns = [&](int block) {
    double sum_ns = 0;
    for (std::size_t node = 0; node < work_.nodes(); ++node) sum_ns += work_.node_gain_ns(block, node, last);
    return sum_ns;
  };
  std::vector<double> shares, noise_ns;
  for (std::size_t i = 0; i < pairs_.size(); ++i) {
    double sum_ns = 0;
    for (std::size_t node = 0; node < work_.nodes(); ++node) {
      const double gain_ns = work_.node_gain_ns(pairs_[i].fault, node, last) -
                             work_.node_gain_ns(pairs_[i].baseline, node, last) +
                             apart[i] * held_up_.hidden_ns(i, node);
      sum_ns += gain_ns;
      turns.gains_ns[node].push_back(gain_ns);
      turns.by_node[node] += gain_ns / loss_ns_ / static_cast<double>(pairs_.size());
    }
    shares.push_back(sum_ns / loss_ns_);
    if (i > 0) noise_ns.push_back(all_gains_ns(pairs_[i].baseline) - all_gains_ns(pairs_[i - 1].baseline));
  }
  turns.share = median(std::move(shares));
  if (turns.share * loss_ns_ < noise_floors_ns({noise_ns}, pairs_.size()).front()) turns.share = 0;
  return turns;
}

std::vector<double> Replay::turns_by_pair(std::span<const std::size_t> nodes) const {
  std::vector<double> sums_ns(pairs_.size(), 0.0);
  for (const std::size_t node : nodes)
    for (std::size_t i = 0; i < sums_ns.size(); ++i) sums_ns[i] += turns_.gains_ns[node][i];
  return sums_ns;
}

double Replay::turns_p(std::span<const std::size_t> nodes) const {
  return p_among_all({limited(turns_by_pair(nodes))}).front();
}

std::vector<std::size_t> Replay::shown_in_turn() const {
  std::vector<std::vector<double>> gains_ns;
  for (const std::vector<double>& of_node : turns_.gains_ns) gains_ns.push_back(limited(of_node));
  const std::vector<double> p = p_among_all(gains_ns);
  std::vector<std::size_t> nodes;
  for (std::size_t node = 0; node < p.size(); ++node)
    if (p[node] <= kByChance) nodes.push_back(node);
  std::sort(nodes.begin(), nodes.end(),
            [this](std::size_t x, std::size_t y) { return turns_.by_node[x] > turns_.by_node[y]; });
  return nodes;
}

double Replay::share(std::span<const std::size_t> nodes) const {
  std::vector<double> gains_ns;
  for (std::size_t i = 0; i < pairs_.size(); ++i) {
    double hidden_ns = 0;
    for (const std::size_t node : nodes) hidden_ns += held_up_.hidden_ns(i, node);
    gains_ns.push_back(work_.gain_ns(pairs_[i].fault, nodes) - work_.gain_ns(pairs_[i].baseline, nodes) +
                       std::min(hidden_ns, std::max(held_up_.communication_ns(i), 0.0)));
  }
  return median(std::move(gains_ns)) / loss_ns_;
}

std::vector<NodeShare> Replay::shares(std::span<const HeldUp::Outstanding> nodes) const {
  const std::size_t count = nodes.size();
  std::vector<double> of_sets(std::size_t{1} << count, 0.0);  // by the bits of those put right
  for (std::size_t set = 1; set < of_sets.size(); ++set) {
    std::vector<std::size_t> members;
    for (std::size_t i = 0; i < count; ++i)
      if ((set >> i & 1) != 0) members.push_back(nodes[i].node);
    of_sets[set] = share(members);
  }
  std::vector<std::size_t> order(count);
  for (std::size_t i = 0; i < count; ++i) order[i] = i;
  std::vector<double> added(count, 0.0);
  double orders = 0;
  do {
    std::size_t before = 0;
    for (const std::size_t i : order) {
      added[i] += of_sets[before | std::size_t{1} << i] - of_sets[before];
      before |= std::size_t{1} << i;
    }
    ++orders;
  } while (std::next_permutation(order.begin(), order.end()));
  std::vector<NodeShare> result;
  for (std::size_t i = 0; i < count; ++i) result.push_back({nodes[i], added[i] / orders});
  return result;
}

bool Replay::are_slow(std::span<const NodeShare> nodes) const {
  if (nodes.empty()) return false;
  std::vector<bool> is_member(work_.nodes(), false);
  double least = nodes.front().share, most_of_others = 0;
  for (const NodeShare& node : nodes) is_member[node.who.node] = true, least = std::min(least, node.share);
  for (std::size_t node = 0; node < work_.nodes(); ++node)
    if (!is_member[node]) most_of_others = std::max(most_of_others, turns_.by_node[node]);
  std::vector<std::size_t> others;
  for (std::size_t node = 0; node < work_.nodes(); ++node)
    if (!is_member[node]) others.push_back(node);
  const double share_of_others = median(turns_by_pair(others)) / loss_ns_;
  if (2 * share_of_others > least && turns_p(others) <= kByChance) return false;
  return most_of_others < kTurnShare || slowest_in_most_pairs(is_member, nodes.size());
}

bool Replay::slowest_in_most_pairs(const std::vector<bool>& is_member, std::size_t members) const {
  std::size_t slowest = 0;
  for (std::size_t i = 0; i < pairs_.size(); ++i) {
    double least_ns = 0, most_of_others_ns = 0;
    bool first = true;
    for (std::size_t node = 0; node < work_.nodes(); ++node) {
      const double held_ns = held_up_.of_node_ns(i, node);
      if (!is_member[node])
        most_of_others_ns = std::max(most_of_others_ns, held_ns);
      else if (first || held_ns < least_ns)
        least_ns = held_ns, first = false;
    }
    slowest += least_ns > most_of_others_ns ? 1 : 0;
  }
  const double sets = sets_of(work_.nodes(), members);
  return at_least_by_chance(slowest, pairs_.size(), 1 / sets) <= kByChance / sets;
}

}  // namespace grit
