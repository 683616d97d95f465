#include "analysis/blame/turns.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace grit {
namespace {

constexpr double kMostTurns = 0.8;       // of all turns: whoever had them is named
constexpr std::size_t kNodesListed = 5;  // with their shares

/// All nodes, and all but the kBlamedApart that had most turns, must have been the last for longer than by chance: what
/// goes by turns is not the work of a few.
bool are_turns_shown(const BlameFacts& facts) {
  const std::vector<double>& turns = facts.replay.turns();
  std::vector<std::size_t> nodes(turns.size());
  for (std::size_t node = 0; node < nodes.size(); ++node) nodes[node] = node;
  std::sort(nodes.begin(), nodes.end(), [&](std::size_t x, std::size_t y) { return turns[x] > turns[y]; });
  const auto rest = std::span(nodes).subspan(std::min(kBlamedApart, nodes.size() / 2));
  return facts.replay.turns_p(nodes) <= kByChance && facts.replay.turns_p(rest) <= kByChance;
}

/// Whose turn it was, in words; `nodes` are those of which it is shown.
std::string turns_name(const BlameFacts& facts, std::span<const std::size_t> nodes) {
  if (nodes.empty()) return "one node after another";
  if (nodes.size() == facts.work.nodes()) return "each node in turn";
  return names_text(facts, nodes) + " in turn";
}

}  // namespace

std::optional<Suspect> turns_suspect(const BlameFacts& facts) {
  const double share = facts.replay.turns_share();
  const double longest_ns = growth(facts.pairs, [&](int block) { return facts.work.block(block).longest_ns; });
  // Where it is less than half of what own work grew by, most of that is common to all.
  if (share < kListedShare || share * facts.loss_ns < 0.5 * longest_ns || !are_turns_shown(facts)) return std::nullopt;
  const std::vector<double>& turns = facts.replay.turns();
  std::vector<std::size_t> nodes = facts.replay.shown_in_turn();
  double shown = 0, all = 0;
  for (const double turn : turns) all += std::max(turn, 0.0);
  for (const std::size_t node : nodes) shown += turns[node];
  if (nodes.size() < 2 || shown < kMostTurns * all) nodes.clear();
  const WorkGrowth grown = growth_of(facts, all_ranks(facts), [](const std::vector<double>& values) {
    double sum = 0;  // of all: what each does in its turns is long for all
    for (const double value : values) sum += std::max(value, 0.0);
    return sum;
  });
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
      "no node is slow in all blocks, but in its turn: with the last one of each step put right "
      "{} of the loss goes, in the middle of the pairs{}; of all of them together, a step: {}",
      share_text(share), of_each, cause.why);
  add_nodes(suspect, nodes);
  return suspect;
}

}  // namespace grit
