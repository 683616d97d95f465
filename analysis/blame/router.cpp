#include "analysis/blame/router.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <vector>

#include "analysis/stats/median.hpp"
#include "analysis/stats/noise_floor.hpp"
#include "analysis/stats/sign_flip.hpp"

namespace grit {
namespace {

constexpr std::size_t kRanksSaid = 8;

/// "the experts of rank 3", where they get at least half of what those who get most each time get more; else other
/// ones each time.
std::string who_gets_more(const BlameFacts& facts, double most) {
  std::vector<std::string> ranks;
  for (std::size_t rank = 0; rank < facts.work.ranks(); ++rank) {
    const auto share = [&](int block) { return facts.work.graphs()->rank_routed_share(block, rank); };
    if (2 * growth(facts.pairs, share) >= most) ranks.push_back(std::to_string(rank));
  }
  if (ranks.empty()) return "experts of one rank after another";
  const std::size_t all = ranks.size();
  if (all > kRanksSaid) ranks.resize(kRanksSaid);
  return fmt::format("the experts of rank{} {}{}", all == 1 ? "" : "s", fmt::join(ranks, ", "),
                     all > kRanksSaid ? fmt::format(" and {} more", all - kRanksSaid) : "");
}

}  // namespace

std::optional<Suspect> router_suspect(const BlameFacts& facts) {
  if (!facts.work.graphs()) return std::nullopt;
  std::vector<double> grown_ns;
  for (const BlockPair& pair : facts.pairs)
    grown_ns.push_back(facts.work.block(pair.fault).routed_ns - facts.work.block(pair.baseline).routed_ns);
  if (p_among_all({limited(grown_ns)}).front() > kByChance) return std::nullopt;
  Suspect suspect;
  suspect.excess_ns = median(std::move(grown_ns));
  const double share = suspect.excess_ns / facts.loss_ns;
  if (share < kListedShare) return std::nullopt;
  suspect.share_explained = std::clamp(share, 0.0, 1.0);
  suspect.node_name = suspect.resource = kRouter;
  suspect.phase = "forward";
  const double most = growth(facts.pairs, [&](int block) { return facts.work.graphs()->most_routed_share(block); });
  suspect.why = fmt::format(
      "the router sends {} more tokens: those who get most get {:.0f} % of an even share more than without the fault, "
      "and steps wait {} longer for them; with tokens spread evenly their work is as their peers': no node is bad",
      who_gets_more(facts, most), 100 * most, duration_text(suspect.excess_ns));
  return suspect;
}

}  // namespace grit
