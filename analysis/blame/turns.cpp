#include "analysis/blame/turns.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "analysis/stats/median.hpp"
#include "analysis/stats/noise_floor.hpp"
#include "analysis/stats/sign_flip.hpp"

namespace grit {
namespace {

constexpr double kMostTurns = 0.8;       // of all turns: whoever had them is named
constexpr std::size_t kNodesListed = 5;  // with their shares

/// By how much the own work of the ranks of these nodes grew a step, on average over the nodes, by pair.
std::vector<double> own_growth_ns(const BlameFacts& facts, std::span<const std::size_t> nodes) {
  std::vector<double> grown_ns;
  for (const BlockPair& pair : facts.pairs) {
    double sum_ns = 0;
    for (const std::size_t node : nodes)
      for (const int of_node : facts.ranks_of(node)) {
        const auto rank = static_cast<std::size_t>(of_node);
        sum_ns += (facts.work.rank(pair.fault, rank).own_ns() - facts.work.rank(pair.baseline, rank).own_ns()) /
                  static_cast<double>(facts.ranks_of(node).size());
      }
    grown_ns.push_back(sum_ns / static_cast<double>(nodes.size()));
  }
  return grown_ns;
}

/// Did the own work of the rest grow as well, by more than chance and about as much as that of those who had the turns?
bool grew_like(const BlameFacts& facts, std::span<const std::size_t> rest, std::span<const std::size_t> had_turns) {
  const std::vector<double> rest_ns = own_growth_ns(facts, rest);
  return p_among_all({limited(rest_ns)}).front() <= kByChance &&
         2 * median(rest_ns) >= median(own_growth_ns(facts, had_turns));
}

/// What goes by turns is not the work of a few: all nodes, and all but the kBlamedApart that had most turns, must have
/// been the last for longer than by chance. Or those others are never the last, since their role is to do less work
/// than the others do, but their own work grew like that of those who are.
bool are_turns_shown(const BlameFacts& facts) {
  const std::vector<double>& turns = facts.replay.turns().by_node;
  std::vector<std::size_t> nodes(turns.size());
  for (std::size_t node = 0; node < nodes.size(); ++node) nodes[node] = node;
  std::sort(nodes.begin(), nodes.end(), [&](std::size_t x, std::size_t y) { return turns[x] > turns[y]; });
  const std::size_t few = std::min(kBlamedApart, nodes.size() / 2);
  const auto had_turns = std::span(nodes).first(few), rest = std::span(nodes).subspan(few);
  if (facts.replay.turns_p(nodes) > kByChance || few == 0) return false;
  return facts.replay.turns_p(rest) <= kByChance || grew_like(facts, rest, had_turns);
}

/// Whose turn it was, in words; `nodes` are those of which it is shown.
std::string turns_name(const BlameFacts& facts, std::span<const std::size_t> nodes) {
  if (nodes.empty()) return "one node after another";
  if (nodes.size() == facts.work.nodes()) return "each node in turn";
  return names_text(facts, nodes) + " in turn";
}

}  // namespace

std::optional<Suspect> turns_suspect(const BlameFacts& facts) {
  const double share = facts.replay.turns().share;
  const double longest_ns = growth(facts.pairs, [&](int block) { return facts.work.block(block).longest_ns; });
  // Where it is less than half of what own work grew by, most of that is common to all.
  if (share < kListedShare || share * facts.loss_ns < 0.5 * longest_ns || !are_turns_shown(facts)) return std::nullopt;
  const std::vector<double>& turns = facts.replay.turns().by_node;
  std::vector<std::size_t> nodes = facts.replay.shown_in_turn();
  double shown = 0, all = 0;
  for (const double turn : turns) all += std::max(turn, 0.0);
  for (const std::size_t node : nodes) shown += turns[node];
  if (nodes.size() < 2 || shown < kMostTurns * all) nodes.clear();
  WorkGrowth grown = growth_by_pair(facts, std::vector(facts.pairs.size(), all_ranks(facts)));
  grown.others = facts.usage.middle_others();
  const ResourceClass cause = classify(grown);
  const bool in_collectives = grown.usage && grown.usage->stopped_ns > 2 * grown.total_ns();
  Suspect suspect;
  suspect.phase = in_collectives ? "exposed_comm" : kOwnPhases[grown.phase()];
  suspect.resource = cause.resource;
  suspect.excess_ns = share * facts.loss_ns;
  suspect.share_explained = std::clamp(share, 0.0, 1.0);
  suspect.node_name = turns_name(facts, nodes);
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < std::min(nodes.size(), kNodesListed); ++i)
    parts.push_back(fmt::format("{} {}", facts.node_name(nodes[i]), share_text(turns[nodes[i]])));
  const std::string of_each = parts.empty() ? ""
                                            : fmt::format(" (by node, on average: {}{})", fmt::join(parts, ", "),
                                                          nodes.size() > kNodesListed ? " ..." : "");
  suspect.why = fmt::format(
      "no node is slow in all blocks, but in its turn: with the last {} of each step put right "
      "{} of the loss goes, in the middle of the pairs{}; of all of them together, a step: {}",
      facts.replay.turns().last == 1 ? "one" : std::to_string(facts.replay.turns().last), share_text(share), of_each,
      cause.why);
  add_nodes(suspect, nodes);
  return suspect;
}

}  // namespace grit
