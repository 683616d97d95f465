#include "analysis/blame/slow_nodes.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/stats/median.hpp"
#include "harness/base/units.hpp"

namespace grit {
namespace {

/// Of the pairs, in which each member of a group must be slow. Of 1,024 ranks that stall in one step of a hundred, some
/// do so in half of the fault blocks and no others, and their median excess is beyond any floor.
constexpr double kSteady = 0.75;

/// "last at the collective in 98 % of the fault steps (22 % of the baseline's), by 10 ms".
std::string arrival_text(const BlameFacts& facts, std::size_t node) {
  if (!facts.work.is_one_group()) return "";  // not all come to the same collective
  double steps[2] = {}, last[2] = {}, by_ns = 0;
  for (const BlockPair& pair : facts.pairs)
    for (const bool fault : {false, true}) {
      const int block = fault ? pair.fault : pair.baseline;
      steps[fault] += static_cast<double>(facts.work.block(block).steps);
      last[fault] += facts.work.arrivals(block, node).last;
      if (fault) by_ns += facts.work.arrivals(block, node).by_ns;
    }
  if (last[1] == 0) return "";
  return fmt::format("; last at the collective in {} of the fault steps ({} of the baseline's), by {}",
                     share_text(last[1] / steps[1]), share_text(last[0] / steps[0]), format_duration(by_ns / last[1]));
}

/// Is it one rank of the node, and not the node? Yes when four fifths of what the node's repair gains is that rank's.
bool is_one_rank(const BlameFacts& facts, const NodeShare& node) {
  if (facts.ranks_of(node.who.node).size() == 1) return true;
  std::vector<double> gains_ns, hidden_ns;
  for (std::size_t i = 0; i < facts.pairs.size(); ++i) {
    const auto gain_ns = [&](int block) { return facts.work.rank_gain_ns(block, node.who.rank); };
    gains_ns.push_back(gain_ns(facts.pairs[i].fault) - gain_ns(facts.pairs[i].baseline) +
                       facts.held_up.hidden_ns(i, node.who.node));
  }
  const std::size_t only[] = {node.who.node};
  const double alone_ns = facts.replay.share(only) * facts.loss_ns;
  return alone_ns > 0 && median(std::move(gains_ns)) >= 0.8 * alone_ns;
}

Suspect own_work_suspect(const BlameFacts& facts, const NodeShare& node) {
  const std::size_t rank = node.who.rank;
  WorkGrowth grown = growth_of(facts, rank);
  grown.others = facts.usage.others(node.who.node);
  const ResourceClass cause = classify(grown);
  const bool in_collectives = grown.usage && grown.usage->stopped_ns > 2 * grown.total_ns();
  Suspect suspect;
  suspect.node = static_cast<int>(node.who.node);
  suspect.nodes = {suspect.node};
  suspect.node_name = facts.node_name(node.who.node);
  suspect.rank = is_one_rank(facts, node) ? static_cast<int>(rank) : -1;
  suspect.phase = in_collectives ? "exposed_comm" : kOwnPhases[grown.phase()];
  suspect.resource = cause.resource;
  suspect.excess_ns = facts.held_up.excess_ns(rank);
  suspect.share_explained = std::clamp(node.share, 0.0, 1.0);
  suspect.why = fmt::format("its own work grew by {} a step more than its peers' (noise up to {}), most in {}; {}{}",
                            duration_text(suspect.excess_ns), format_duration(facts.held_up.floor_ns(rank)),
                            suspect.phase, cause.why, arrival_text(facts, node.who.node));
  return suspect;
}

/// Nodes that are slow in all pairs, each with its share. At most half of the nodes: the others say what is normal.
std::vector<NodeShare> slow_nodes(const BlameFacts& facts) {
  const auto& outstanding = facts.held_up.outstanding();
  const std::size_t most = std::min({outstanding.size(), facts.work.nodes() / 2, kBlamedApart});
  std::vector<HeldUp::Outstanding> first(outstanding.begin(), outstanding.begin() + static_cast<std::ptrdiff_t>(most));
  std::vector<NodeShare> shares = facts.replay.shares(first);
  std::erase_if(shares, [](const NodeShare& node) { return node.share < kListedShare; });
  // Only those which are slow with the others put right, and without one that explains nothing.
  if (shares.size() < first.size()) {
    first.clear();
    for (const NodeShare& node : shares) first.push_back(node.who);
    shares = facts.replay.shares(first);
  }
  if (!facts.replay.are_slow(shares)) return {};
  return shares;
}
/// The role that all ranks of these nodes have, and of no others; or nothing.
std::string shared_role(const BlameFacts& facts, std::span<const std::size_t> nodes) {
  const Mesh& mesh = facts.work.mesh();
  if (mesh.roles() == 1) return "";
  const int role = mesh.role(facts.ranks_of(nodes.front()).front());
  for (std::size_t node = 0; node < facts.work.nodes(); ++node) {
    const bool is_one = std::find(nodes.begin(), nodes.end(), node) != nodes.end();
    for (const int rank : facts.ranks_of(node))
      if ((mesh.role(rank) == role) != is_one) return "";
  }
  return mesh.role_name(role);
}

/// What these nodes, and no others, have in common: ", which alone have kernel 6.1.0-9", or nothing.
std::string shared_attribute(const BlameFacts& facts, std::span<const std::size_t> nodes) {
  const auto& all = facts.plan.topology.nodes;
  const auto distinguishes = [&](const auto& attribute) {
    const auto value = attribute(all[nodes.front()]);
    const auto alike = [&](std::size_t node) { return attribute(all[node]) == value; };
    const auto with = std::count_if(all.begin(), all.end(), [&](const Node& node) { return attribute(node) == value; });
    return std::all_of(nodes.begin(), nodes.end(), alike) && static_cast<std::size_t>(with) == nodes.size();
  };
  const Node& first = all[nodes.front()];
  if (const std::string role = shared_role(facts, nodes); !role.empty()) return ", which alone are " + role;
  if (distinguishes([](const Node& node) { return node.kernel; })) return ", which alone have kernel " + first.kernel;
  if (distinguishes([](const Node& node) { return node.cpu_model; })) return ", which alone have " + first.cpu_model;
  if (distinguishes([](const Node& node) { return node.cores; }))
    return fmt::format(", which alone have {} cores", first.cores);
  return "";
}

/// More nodes than are blamed one by one, all of which stand out: by what goes when all of them are put right.
std::optional<Suspect> slow_group(const BlameFacts& facts) {
  std::vector<HeldUp::Outstanding> outstanding = facts.held_up.outstanding();
  std::erase_if(outstanding, [&](const auto& one) { return facts.held_up.steadiness(one.rank) < kSteady; });
  if (outstanding.size() <= kBlamedApart || 2 * outstanding.size() > facts.work.nodes()) return std::nullopt;
  std::vector<std::size_t> nodes, ranks;
  for (const auto& one : outstanding) nodes.push_back(one.node), ranks.push_back(one.rank);
  const double share = facts.replay.share(nodes);
  std::vector<NodeShare> shares;
  for (const auto& one : outstanding) shares.push_back({one, share / static_cast<double>(nodes.size())});
  if (share < kNamedShare || !facts.replay.are_slow(shares)) return std::nullopt;
  const WorkGrowth grown = growth_of(facts, ranks, [](std::vector<double> values) { return median(values); });
  const ResourceClass cause = classify(grown);
  std::vector<double> excess_ns;
  for (const std::size_t rank : ranks) excess_ns.push_back(facts.held_up.excess_ns(rank));
  Suspect suspect;
  suspect.phase = kOwnPhases[grown.phase()];
  suspect.resource = cause.resource;
  suspect.excess_ns = median(std::move(excess_ns));
  suspect.share_explained = std::clamp(share, 0.0, 1.0);
  suspect.node_name = names_text(facts, nodes);
  suspect.why = fmt::format(
      "the own work of these {} nodes{} grew by {} a step more than the others', in the middle, "
      "most in {}; {}",
      nodes.size(), shared_attribute(facts, nodes), duration_text(suspect.excess_ns), suspect.phase, cause.why);
  add_nodes(suspect, nodes);
  return suspect;
}

}  // namespace

std::vector<Suspect> slow_node_suspects(const BlameFacts& facts) {
  if (const auto group = slow_group(facts)) return {*group};
  std::vector<Suspect> suspects;
  for (const NodeShare& node : slow_nodes(facts)) suspects.push_back(own_work_suspect(facts, node));
  return suspects;
}

}  // namespace grit
