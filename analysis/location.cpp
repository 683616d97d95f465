#include "analysis/location.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "analysis/median.hpp"
#include "analysis/wording.hpp"
#include "harness/base/units.hpp"

namespace grit {
namespace {

constexpr double kHalf = 0.5;  // of the shift

/// Of one rank, after less before, as seen in the direction of the shift: above 0 when it contributed.
struct Growth {
  int rank = 0;
  int node = 0;
  std::array<double, kStepPhases.size()> phase_ns{};

  [[nodiscard]] double step_ns() const { return std::accumulate(phase_ns.begin(), phase_ns.end(), 0.0); }
  [[nodiscard]] double own_ns() const { return step_ns() - phase_ns[kExposedComm]; }
};

/// The median over the ranks but `left_out` of what `value` makes of them.
template <class Value>
double peers(const std::vector<Growth>& all, int left_out, Value value) {
  std::vector<double> values;
  for (const Growth& growth : all)
    if (growth.rank != left_out) values.push_back(value(growth));
  return median(std::move(values));
}

double own_excess(const std::vector<Growth>& all, const Growth& one) {
  return one.own_ns() - peers(all, one.rank, [](const Growth& g) { return g.own_ns(); });
}

/// The own phase of a rank that grew most beyond its peers.
std::pair<std::size_t, double> leading_phase(const std::vector<Growth>& all, const Growth& one) {
  std::pair<std::size_t, double> best{0, -HUGE_VAL};
  for (std::size_t phase = 0; phase < kStepPhases.size(); ++phase) {
    if (phase == kExposedComm) continue;
    const double excess =
        one.phase_ns[phase] - peers(all, one.rank, [&](const Growth& g) { return g.phase_ns[phase]; });
    if (excess > best.second) best = {phase, excess};
  }
  return best;
}

std::string phase_words(std::string_view phase) {
  return std::string(phase == "exposed_comm" ? "waiting in collectives" : phase);
}

std::string change_words(double growth_ns, bool slower) {
  return (slower ? "+" : "−") + format_duration(std::abs(growth_ns));
}

std::string node_name(const Topology& topology, int node) {
  for (const Node& one : topology.nodes)
    if (one.index == node && !one.name.empty()) return one.name;
  return fmt::format("node {}", node);
}

/// All ranks of the suspect's node have at least half of its excess, and the others do not.
bool whole_node(const std::vector<Growth>& all, const Growth& suspect, double excess_ns) {
  int siblings = 0;
  for (const Growth& other : all) {
    if (other.node != suspect.node || other.rank == suspect.rank) continue;
    if (own_excess(all, other) < kHalf * excess_ns) return false;
    ++siblings;
  }
  return siblings > 0;
}

Location one_place(const std::vector<Growth>& all, const Growth& suspect, double excess_ns, double shift_ns,
                   bool slower, const Topology& topology) {
  Location found;
  found.node = suspect.node;
  found.rank = whole_node(all, suspect, excess_ns) ? -1 : suspect.rank;
  const auto [phase, growth_ns] = leading_phase(all, suspect);
  found.phase = kStepPhases[phase];
  found.growth_ns = slower ? growth_ns : -growth_ns;
  found.share = excess_ns / shift_ns;
  const std::string who = found.rank < 0 ? "all its ranks" : fmt::format("rank {}", found.rank);
  found.text = fmt::format("{} ({}): {} {} a step against its peers; its own work makes up {} of the shift",
                           node_name(topology, found.node), who, phase_words(found.phase),
                           change_words(growth_ns, slower), percent(std::min(found.share, 1.0)));
  return found;
}

/// No rank stands out: by the phase that grew most on the middle rank.
Location everywhere(const std::vector<Growth>& all, double shift_ns, bool slower) {
  std::array<double, kStepPhases.size()> common{};
  for (std::size_t phase = 0; phase < common.size(); ++phase)
    common[phase] = peers(all, -1, [&](const Growth& g) { return g.phase_ns[phase]; });
  const auto leading = static_cast<std::size_t>(std::max_element(common.begin(), common.end()) - common.begin());
  Location found;
  found.phase = kStepPhases[leading];
  found.growth_ns = slower ? common[leading] : -common[leading];
  found.share = common[leading] / shift_ns;
  std::string others;
  for (std::size_t phase = 0; phase < common.size(); ++phase)
    if (phase != leading && common[phase] > shift_ns / 4)
      others += fmt::format(", {} {}", phase_words(kStepPhases[phase]), change_words(common[phase], slower));
  const std::string_view meaning =
      leading == kExposedComm ? "; no rank's own work explains it: the network, or ranks that are late by turns" : "";
  found.text =
      fmt::format("no single rank: {} {} a step on all ranks alike, {} of the shift{}{}", phase_words(found.phase),
                  change_words(common[leading], slower), percent(std::min(found.share, 1.0)), others, meaning);
  return found;
}

}  // namespace

std::vector<RankPhases> mean_phases(std::span<const ComparedRun> runs) {
  std::map<int, std::pair<RankPhases, std::size_t>> sums;
  for (const ComparedRun& run : runs) {
    for (const RankPhases& rank : run.phases) {
      auto& [sum, count] = sums[rank.rank];
      sum.rank = rank.rank;
      sum.node = rank.node;
      for (std::size_t i = 0; i < kStepPhases.size(); ++i) sum.mean_ns[i] += rank.mean_ns[i];
      ++count;
    }
  }
  std::vector<RankPhases> result;
  for (auto& [rank, entry] : sums) {
    if (entry.second != runs.size()) continue;
    for (double& value_ns : entry.first.mean_ns) value_ns /= static_cast<double>(entry.second);
    result.push_back(entry.first);
  }
  return result;
}

std::optional<Location> locate(const std::vector<RankPhases>& before, const std::vector<RankPhases>& after,
                               const Topology& topology) {
  std::vector<Growth> all;
  for (const RankPhases& now : after)
    for (const RankPhases& then : before) {
      if (then.rank != now.rank) continue;
      Growth growth{now.rank, now.node, {}};
      for (std::size_t i = 0; i < kStepPhases.size(); ++i) growth.phase_ns[i] = now.mean_ns[i] - then.mean_ns[i];
      all.push_back(growth);
    }
  double shift_ns = 0;
  for (const Growth& growth : all) shift_ns += growth.step_ns() / static_cast<double>(all.size());
  if (all.empty() || shift_ns == 0) return std::nullopt;
  const bool slower = shift_ns > 0;
  shift_ns = std::abs(shift_ns);
  if (!slower)
    for (Growth& growth : all)
      for (double& value_ns : growth.phase_ns) value_ns = -value_ns;

  const Growth* suspect = &all.front();
  for (const Growth& growth : all)
    if (own_excess(all, growth) > own_excess(all, *suspect)) suspect = &growth;
  const double excess_ns = all.size() < 2 ? 0 : own_excess(all, *suspect);
  if (excess_ns >= kHalf * shift_ns) return one_place(all, *suspect, excess_ns, shift_ns, slower, topology);
  return everywhere(all, shift_ns, slower);
}

}  // namespace grit
