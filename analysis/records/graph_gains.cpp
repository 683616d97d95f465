#include "analysis/records/graph_gains.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <string>
#include <utility>

#include "analysis/stats/median.hpp"

namespace grit {
namespace {

std::vector<float> works_of(const StepGraph& graph) {
  std::vector<float> work_ns;
  work_ns.reserve(graph.events.size());
  for (const StepGraph::Event& event : graph.events) work_ns.push_back(event.work_ns);
  return work_ns;
}

/// By block of a pair: its baseline block; others have none.
std::vector<std::size_t> baselines_of(const Plan& plan) {
  std::map<int, std::size_t> of_pair;
  for (std::size_t i = 0; i < plan.blocks.size(); ++i)
    if (plan.blocks[i].kind == BlockKind::baseline) of_pair[plan.blocks[i].pair] = i;
  std::vector<std::size_t> result;
  for (std::size_t i = 0; i < plan.blocks.size(); ++i) {
    const auto found = of_pair.find(plan.blocks[i].pair);
    result.push_back(found == of_pair.end() ? i : found->second);
  }
  return result;
}

}  // namespace

GraphGains::GraphGains(const Plan& plan, const Mesh& mesh, std::vector<BlockGraphs> graphs, std::size_t most_last)
    : graphs_(std::move(graphs)),
      most_last_(most_last),
      groups_(recorded_groups(mesh)),
      baseline_of_(baselines_of(plan)) {
  node_of_.resize(static_cast<std::size_t>(mesh.ranks()), 0);
  std::map<std::pair<std::string, int>, int> classes;
  for (std::size_t node = 0; node < plan.topology.nodes.size(); ++node) {
    const Node& one = plan.topology.nodes[node];
    class_of_.push_back(
        classes.try_emplace({one.cpu_model, one.cores}, static_cast<int>(classes.size())).first->second);
    ranks_of_.emplace_back(one.ranks.begin(), one.ranks.end());
    for (const std::size_t rank : ranks_of_.back()) node_of_[rank] = node;
  }
  of_role_.resize(static_cast<std::size_t>(mesh.roles()));
  for (std::size_t rank = 0; rank < node_of_.size(); ++rank) {
    role_of_.push_back(static_cast<std::size_t>(mesh.role(static_cast<int>(rank))));
    of_role_[role_of_.back()].push_back(rank);
  }
  end_ns_.resize(graphs_.size());
  sums_.resize(graphs_.size());
  rank_work_ns_.resize(graphs_.size());
  rank_routed_ns_.resize(graphs_.size());
  rank_routed_share_.resize(graphs_.size());
  transfers_ns_.resize(graphs_.size());
  node_gain_ns_.resize(graphs_.size());
  for (std::size_t block = 0; block < graphs_.size(); ++block) {
    chosen_ += graphs_[block].chosen;
    left_out_ += graphs_[block].chosen - graphs_[block].whole;
    add_works(block);
  }
  for (std::size_t block = 0; block < graphs_.size(); ++block)
    if (graphs_[block].whole > 0) add_sums(block);
}

bool GraphGains::has(int block) const {
  return block >= 0 && at(block) < graphs_.size() && graphs_[at(block)].whole > 0 &&
         2 * graphs_[at(block)].whole >= graphs_[at(block)].chosen;
}

void GraphGains::add_works(std::size_t block) {
  const auto steps = static_cast<double>(std::max<std::size_t>(graphs_[block].whole, 1));
  rank_work_ns_[block].resize(node_of_.size(), 0.0);
  rank_routed_ns_[block].resize(node_of_.size(), 0.0);
  rank_routed_share_[block].resize(node_of_.size(), 0.0);
  for (const StepGraph& graph : graphs_[block].graphs) {
    sums_[block].most_routed_share += graph.most_routed_share * graph.steps / steps;
    for (std::size_t rank = 0; rank < graph.ranks(); ++rank) {
      for (const StepGraph::Event& event : graph.events_of(rank)) {
        rank_work_ns_[block][rank] += static_cast<double>(event.work_ns) / steps;
        rank_routed_ns_[block][rank] += static_cast<double>(event.routed_ns) / steps;
      }
      rank_routed_share_[block][rank] += graph.routed_share[rank] * graph.steps / steps;
    }
  }
}

double GraphGains::growth_of_others(std::size_t block, std::size_t node, const std::vector<bool>& repaired) const {
  std::vector<double> factors;
  const std::vector<double>&now_ns = rank_work_ns_[block], &before_ns = rank_work_ns_[baseline_of_[block]];
  for (std::size_t other = 0; other < ranks_of_.size(); ++other) {
    if (other == node || repaired[other]) continue;
    std::vector<double> of_node;
    for (const std::size_t rank : ranks_of_[other])
      of_node.push_back(before_ns[rank] > 0 ? now_ns[rank] / before_ns[rank] : 1);
    factors.push_back(median(std::move(of_node)));
  }
  return factors.empty() ? 1 : median(std::move(factors));
}

void GraphGains::add_sums(std::size_t block) {
  const BlockGraphs& of_block = graphs_[block];
  node_gain_ns_[block].resize(ranks_of_.size());
  double work_ns = 0, all_ns = 0;
  for (const StepGraph& graph : of_block.graphs) {
    const std::optional<Played> measured = play(graph, {}, Tokens::as_routed);
    const std::optional<Played> balanced = play(graph, {}, Tokens::spread_evenly);
    if (!measured || !balanced) continue;  // make_step_graph() gives none of these
    const CriticalPath path = critical_path(graph, *balanced, {}, Tokens::spread_evenly);
    const double routed_ns = measured->end_ns - balanced->end_ns;
    work_ns += path.work_ns;
    all_ns += path.work_ns + path.transfer_ns + routed_ns;
    sums_[block].routed_ns += routed_ns;
    end_ns_[block].push_back(balanced->end_ns);
    for (const StepGraph::Operation& operation : graph.operations)
      transfers_ns_[block][graph.places[operation.place]] += static_cast<double>(operation.transfer_ns);
    add_turns(block, graph, *balanced);
  }
  const auto steps = static_cast<double>(of_block.whole);
  for (auto& [place, sum_ns] : transfers_ns_[block]) sum_ns /= steps;
  sums_[block].routed_ns /= steps;
  sums_[block].work_share = all_ns > 0 ? work_ns / all_ns : 0;
}

std::vector<GraphGains::Segment> GraphGains::segments_of(const StepGraph& graph, std::size_t rank) {
  std::vector<Segment> segments;
  Segment open{.first_event = graph.first_event[rank]};
  for (std::uint32_t i = graph.first_event[rank]; i < graph.first_event[rank + 1]; ++i) {
    const StepGraph::Event& event = graph.events[i];
    open.work_ns += static_cast<double>(event.work_ns);
    if (event.kind != StepGraph::Kind::begin) continue;
    if (event.step != open.step) open.step = event.step, open.place = 0;
    open.end_event = i + 1;
    segments.push_back(open);
    open = {.first_event = i + 1, .step = event.step, .place = open.place + 1};
  }
  return segments;
}

std::vector<double> GraphGains::level_of_peers(const StepGraph& graph, std::size_t rank,
                                               const std::vector<Segment>& own,
                                               const std::vector<bool>& repaired) const {
  const std::vector<std::size_t>& alike = of_role_[role_of_[rank]];
  const auto self = static_cast<std::size_t>(std::lower_bound(alike.begin(), alike.end(), rank) - alike.begin());
  std::vector<std::vector<double>> works_ns;  // by peer
  const auto same_place = [](const Segment& a, const Segment& b) { return a.step == b.step && a.place == b.place; };
  for (std::size_t i = 1; i < alike.size() && works_ns.size() < kMostPeers; ++i) {
    const std::size_t peer = alike[(self + i) % alike.size()], node = node_of_[peer];
    if (node == node_of_[rank] || repaired[node] || class_of_[node] != class_of_[node_of_[rank]]) continue;
    const std::vector<Segment> segments = segments_of(graph, peer);
    if (!std::equal(own.begin(), own.end(), segments.begin(), segments.end(), same_place)) continue;
    std::vector<double>& of_peer = works_ns.emplace_back();
    for (const Segment& segment : segments) of_peer.push_back(segment.work_ns);
  }
  std::vector<double> level_ns;
  if (works_ns.empty()) return level_ns;
  std::vector<double> values(works_ns.size());
  for (std::size_t segment = 0; segment < own.size(); ++segment) {
    for (std::size_t peer = 0; peer < works_ns.size(); ++peer) values[peer] = works_ns[peer][segment];
    level_ns.push_back(median(values));
  }
  return level_ns;
}

std::vector<double> GraphGains::level_of_baseline(std::size_t block, std::size_t rank, const std::vector<Segment>& own,
                                                  const std::vector<bool>& repaired) const {
  // A stretch begins with the end of the step before, so that its first step has a different first segment.
  const auto key_of = [](const Segment& segment) { return std::pair(segment.step == 0, segment.place); };
  std::map<std::pair<bool, std::uint32_t>, std::vector<double>> works_ns;
  for (const StepGraph& graph : graphs_[baseline_of_[block]].graphs)
    for (const Segment& segment : segments_of(graph, rank)) works_ns[key_of(segment)].push_back(segment.work_ns);
  std::map<std::pair<bool, std::uint32_t>, double> level_ns;
  for (auto& [key, values] : works_ns) level_ns[key] = median(std::move(values));
  const double grown = growth_of_others(block, node_of_[rank], repaired);
  std::vector<double> result;
  for (const Segment& segment : own) {
    const auto found = level_ns.find(key_of(segment));
    result.push_back(found == level_ns.end() ? segment.work_ns : grown * found->second);
  }
  return result;
}

GraphGains::Repair GraphGains::repair_of(std::size_t block, const StepGraph& graph, std::size_t rank,
                                         const std::vector<bool>& repaired) const {
  Repair repair{.segments = segments_of(graph, rank)};
  std::vector<double> level_ns = level_of_peers(graph, rank, repair.segments, repaired);
  if (level_ns.empty()) level_ns = level_of_baseline(block, rank, repair.segments, repaired);
  repair.over_ns.resize(graph.steps, 0.0);
  for (std::size_t i = 0; i < repair.segments.size(); ++i)
    repair.over_ns[repair.segments[i].step] += repair.segments[i].work_ns - level_ns[i];
  for (std::size_t i = 0; i < repair.segments.size(); ++i) {
    const Segment& segment = repair.segments[i];
    const bool put_right = repair.over_ns[segment.step] > 0 && segment.work_ns > 0;
    repair.factors.push_back(put_right ? level_ns[i] / segment.work_ns : 1);
  }
  return repair;
}

void GraphGains::apply(const Repair& repair, std::vector<float>& work_ns, int only_step) {
  for (std::size_t i = 0; i < repair.segments.size(); ++i) {
    const Segment& segment = repair.segments[i];
    if (only_step >= 0 && segment.step != only_step) continue;
    for (std::uint32_t event = segment.first_event; event < segment.end_event; ++event)
      work_ns[event] = static_cast<float>(static_cast<double>(work_ns[event]) * repair.factors[i]);
  }
}

double GraphGains::gain_of_ranks_ns(std::size_t block, std::span<const std::size_t> ranks,
                                    const std::vector<bool>& repaired) const {
  double sum_ns = 0;
  for (std::size_t i = 0; i < end_ns_[block].size(); ++i) {
    const StepGraph& graph = graphs_[block].graphs[i];
    std::vector<float> work_ns = works_of(graph);
    for (const std::size_t rank : ranks) apply(repair_of(block, graph, rank, repaired), work_ns, -1);
    if (const auto played = play(graph, work_ns, Tokens::spread_evenly)) sum_ns += end_ns_[block][i] - played->end_ns;
  }
  return sum_ns / static_cast<double>(std::max<std::size_t>(graphs_[block].whole, 1));
}

double GraphGains::gain_ns(int block, std::span<const std::size_t> nodes) const {
  std::vector<bool> repaired(ranks_of_.size(), false);
  std::vector<std::size_t> ranks;
  for (const std::size_t node : nodes) {
    if (repaired[node]) continue;
    repaired[node] = true;
    ranks.insert(ranks.end(), ranks_of_[node].begin(), ranks_of_[node].end());
  }
  return gain_of_ranks_ns(at(block), ranks, repaired);
}

double GraphGains::rank_gain_ns(int block, std::size_t rank) const {
  return gain_of_ranks_ns(at(block), {&rank, 1}, std::vector<bool>(ranks_of_.size(), false));
}

double GraphGains::end_ns(int block) const {
  return std::accumulate(end_ns_[at(block)].begin(), end_ns_[at(block)].end(), 0.0) /
         static_cast<double>(std::max<std::size_t>(graphs_[at(block)].whole, 1));
}

double GraphGains::node_gain_ns(int block, std::size_t node, std::size_t last) const {
  return node_gain_ns_[at(block)][node][last - 1] /
         static_cast<double>(std::max<std::size_t>(graphs_[at(block)].whole, 1));
}

std::vector<std::vector<double>> GraphGains::over_on_path(std::size_t block, const StepGraph& graph,
                                                          const CriticalPath& path,
                                                          std::span<const float> work_ns) const {
  const std::vector<bool> none(ranks_of_.size(), false);
  std::vector<std::vector<double>> over_ns(graph.steps, std::vector<double>(ranks_of_.size(), 0.0));
  std::map<std::size_t, Repair> repairs;
  for (const std::uint32_t event : path.works) {
    const std::size_t rank = graph.rank_of(event);
    auto found = repairs.find(rank);
    if (found == repairs.end()) found = repairs.emplace(rank, repair_of(block, graph, rank, none)).first;
    const Repair& repair = found->second;
    const auto after = std::upper_bound(repair.segments.begin(), repair.segments.end(), event,
                                        [](std::uint32_t at, const Segment& one) { return at < one.first_event; });
    if (after == repair.segments.begin() || event >= std::prev(after)->end_event) continue;
    const auto segment = static_cast<std::size_t>(after - repair.segments.begin()) - 1;
    const double right_ns = static_cast<double>(graph.events[event].work_ns) * repair.factors[segment];
    over_ns[repair.segments[segment].step][node_of_[rank]] += static_cast<double>(work_ns[event]) - right_ns;
  }
  return over_ns;
}

void GraphGains::add_turns(std::size_t block, const StepGraph& graph, const Played& played) {
  const std::vector<bool> none(ranks_of_.size(), false);
  std::vector<float> work_ns = works_of(graph);
  Played now = played;
  for (std::size_t last = 1; last <= most_last_; ++last) {
    const auto over_ns = over_on_path(block, graph, critical_path(graph, now, work_ns, Tokens::spread_evenly), work_ns);
    std::vector<std::pair<std::size_t, double>> put_right;  // nodes, and how much too long their work was
    for (std::size_t step = 0; step < over_ns.size(); ++step) {
      const auto most = std::max_element(over_ns[step].begin(), over_ns[step].end());
      if (*most <= 0) continue;
      const auto node = static_cast<std::size_t>(most - over_ns[step].begin());
      put_right.emplace_back(node, *most);
      for (const std::size_t rank : ranks_of_[node])
        apply(repair_of(block, graph, rank, none), work_ns, static_cast<int>(step));
    }
    auto next = play(graph, work_ns, Tokens::spread_evenly);
    if (!next || put_right.empty()) return;
    double all_ns = 0;
    for (const auto& [node, over] : put_right) all_ns += over;
    const double gain_ns = now.end_ns - next->end_ns;
    for (const auto& [node, over] : put_right)
      for (std::size_t i = last; i <= most_last_; ++i) node_gain_ns_[block][node][i - 1] += gain_ns * over / all_ns;
    now = std::move(*next);
  }
}

}  // namespace grit
