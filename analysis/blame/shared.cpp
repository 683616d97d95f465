#include "analysis/blame/shared.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/stats/median.hpp"
#include "harness/base/units.hpp"

namespace grit {

std::optional<Suspect> shared_suspect(const BlameFacts& facts, const Communication& communication, double slow_share) {
  const auto longest = [&](int block) { return facts.work.block(block).longest_ns; };
  const double longest_ns = growth(facts.pairs, longest);
  const double own_share = longest_ns / facts.loss_ns - slow_share;
  std::vector<double> grown(facts.work.nodes(), 0);
  for (std::size_t rank = 0; rank < facts.work.ranks(); ++rank) {
    double& most = grown[static_cast<std::size_t>(facts.work.node_of(rank))];
    most = std::max(most, growth(facts.pairs, [&](int block) { return facts.work.rank(block, rank).own_ns(); }));
  }
  const bool own_alike = own_share >= kListedShare && *std::min_element(grown.begin(), grown.end()) >= 0.5 * longest_ns;
  const bool short_of_cpus = communication.cpus_short_everywhere();
  const bool stopped = facts.replay.stopped_at_once();
  if (!own_alike && !short_of_cpus && !stopped) return std::nullopt;
  const auto ranks = all_ranks(facts);
  const WorkGrowth middle = growth_of(facts, ranks, [](std::vector<double> values) { return median(values); });
  // Waiting for CPUs shows mostly as communication time, so the scheduler's counters tell what was short. Where most of
  // the growth is in the ranks' own phases, the phases tell.
  const bool own_most = own_alike && own_share >= communication.share;
  ResourceClass cause = classify(middle);
  if (short_of_cpus && !own_most && middle.usage) {
    Usage waited = *middle.usage;
    waited.run_wait_ns = communication.cpus.wait_ns;
    cause = classify_wait(waited, middle.others);
  }
  Suspect suspect;
  suspect.phase = own_alike ? kOwnPhases[middle.phase()] : "exposed_comm";
  suspect.resource = cause.resource;
  double share = (own_alike ? own_share : 0) + (stopped ? facts.replay.hidden_ns() / facts.loss_ns : 0);
  if (short_of_cpus) share += std::max(communication.share, 0.0);
  suspect.share_explained = std::clamp(share, 0.0, 1.0);
  suspect.excess_ns = share * facts.loss_ns;
  suspect.why = "all nodes alike: ";
  if (own_alike && middle.total_ns() > 0)
    suspect.why += fmt::format("own work grew by {} a step in the middle; ", format_duration(middle.total_ns()));
  suspect.why += cause.why;
  return suspect;
}

}  // namespace grit
