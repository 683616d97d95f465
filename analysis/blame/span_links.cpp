#include "analysis/blame/span_links.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <vector>

#include "analysis/stats/median.hpp"
#include "analysis/stats/noise_floor.hpp"
#include "analysis/stats/sign_flip.hpp"

namespace grit {
namespace {

constexpr double kLeastGrowth = 0.1;

/// Among whom operations are, and by which share they took longer in each pair.
struct Place {
  std::set<std::size_t> nodes{};
  std::vector<double> grown{};  // by pair
  double middle = 0;            // of these
};

std::set<std::size_t> nodes_of(const BlameFacts& facts, const OperationKey& place) {
  std::set<std::size_t> nodes;
  if (place.from >= 0) {
    for (const int rank : {place.from, place.to})
      nodes.insert(static_cast<std::size_t>(facts.work.node_of(static_cast<std::size_t>(rank))));
    return nodes;
  }
  const auto& groups = facts.work.graphs()->groups().list;
  if (place.group >= groups.size()) return nodes;  // a rank alone
  for (const int rank : groups[place.group].members)
    nodes.insert(static_cast<std::size_t>(facts.work.node_of(static_cast<std::size_t>(rank))));
  return nodes;
}

/// Those across nodes of which there are operations in all blocks.
std::vector<Place> places_of(const BlameFacts& facts) {
  const GraphGains& graphs = *facts.work.graphs();
  std::vector<Place> places;
  for (const auto& [key, first_ns] : graphs.transfers_ns(facts.pairs.front().baseline)) {
    Place place{.nodes = nodes_of(facts, key)};
    if (place.nodes.size() < 2) continue;
    for (const BlockPair& pair : facts.pairs) {
      const auto &before = graphs.transfers_ns(pair.baseline), &after = graphs.transfers_ns(pair.fault);
      const auto from = before.find(key), to = after.find(key);
      if (from != before.end() && to != after.end() && from->second > 0)
        place.grown.push_back(to->second / from->second - 1);
    }
    if (place.grown.size() != facts.pairs.size()) continue;
    place.middle = median(place.grown);
    places.push_back(std::move(place));
  }
  return places;
}

}  // namespace

std::optional<SlowNode> node_of_slow_spans(const BlameFacts& facts) {
  if (!facts.work.graphs()) return std::nullopt;
  const std::vector<Place> places = places_of(facts);
  const std::size_t nodes = facts.work.nodes(), pairs = facts.pairs.size();
  // By node and pair: the least growth of its own operations, and the most of all others.
  std::vector<std::vector<double>> least(nodes, std::vector<double>(pairs, 0.0));
  std::vector<double> least_of(nodes, 0.0), most_of_others(nodes, 0.0);
  for (std::size_t node = 0; node < nodes; ++node) {
    std::vector<double> own(pairs, std::numeric_limits<double>::max());
    bool any = false, others = false;
    for (const Place& place : places) {
      if (!place.nodes.contains(node)) {
        others = true;
        most_of_others[node] = std::max(most_of_others[node], place.middle);
        continue;
      }
      any = true;
      for (std::size_t i = 0; i < pairs; ++i) own[i] = std::min(own[i], place.grown[i]);
    }
    if (!any || !others) continue;
    least_of[node] = median(own);
    least[node] = limited(std::move(own));
  }
  const std::vector<double> p = p_among_all(least);
  for (std::size_t node = 0; node < nodes; ++node) {
    if (p[node] > kByChance || least_of[node] < kLeastGrowth || most_of_others[node] > kStill * least_of[node])
      continue;
    return SlowNode{node, fmt::format("all operations with {} took at least {:.0f} % longer, those without it at most "
                                      "{:.0f} %",
                                      facts.node_name(node), 100 * least_of[node], 100 * most_of_others[node])};
  }
  return std::nullopt;
}

}  // namespace grit
