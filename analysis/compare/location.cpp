#include "analysis/compare/location.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "analysis/compare/rank_runs.hpp"
#include "analysis/facts/node_names.hpp"
#include "analysis/facts/wording.hpp"
#include "analysis/stats/largest_shift.hpp"
#include "analysis/stats/median.hpp"
#include "analysis/stats/two_samples.hpp"
#include "harness/base/units.hpp"

namespace grit {
namespace {

constexpr double kHalf = 0.5;     // of the shift
constexpr double kWanders = 1.5;  // of LargestShift::inflation: more than this is worth a word

std::string phase_words(std::string_view phase) {
  return std::string(phase == "exposed_comm" ? "waiting in collectives" : phase);
}

std::string change_words(double growth_ns, bool slower) {
  return (slower ? "+" : "−") + format_duration(std::abs(growth_ns));
}

/// Of each rank how much more it does beyond its peers in the new runs than in the old ones; less, when steps became
/// shorter.
LargestShift excesses(std::span<const RankRuns> ranks, std::span<const std::size_t> places, std::size_t old_runs,
                      bool slower, Scale scale) {
  auto beyond_ns = beyond_peers_ns(ranks, scale);
  if (!slower)
    for (std::vector<double>& rank : beyond_ns)
      for (double& value_ns : rank) value_ns = -value_ns;
  std::set<int> nodes;
  for (const RankRuns& rank : ranks) nodes.insert(rank.node);
  // What is beyond the peers' is not independent: one value less of them is.
  const CandidateKind rank_kind{(nodes.size() > 1 ? nodes.size() : ranks.size()) - 1};
  return {std::move(beyond_ns), std::vector<std::size_t>(ranks.size(), 0), {&rank_kind, 1}, old_runs, places};
}

class Locator {
 public:
  Locator(std::vector<RankRuns> ranks, std::span<const std::size_t> places, std::size_t old_runs, double shift_ns,
          const Topology& topology, const std::string& went_with)
      : ranks_(std::move(ranks)),
        shift_ns_(std::abs(shift_ns)),
        slower_(shift_ns > 0),
        topology_(topology),
        went_with_(went_with),
        old_runs_(old_runs),
        new_runs_(ranks_.front().runs.size() - old_runs),
        added_(excesses(ranks_, places, old_runs, slower_, Scale::added)),
        multiplied_(excesses(ranks_, places, old_runs, slower_, Scale::multiplied)) {
    if (!slower_)
      for (RankRuns& rank : ranks_)
        for (double& value_ns : rank.growth_ns) value_ns = -value_ns;
  }

  [[nodiscard]] Location locate() const {
    if (ranks_.size() < 2) return everywhere();
    std::size_t suspect = 0;
    for (std::size_t i = 1; i < ranks_.size(); ++i)
      if (sureness(i) > sureness(suspect)) suspect = i;
    if (is_shown(suspect)) return place(suspect);
    const auto largest = std::max_element(ranks_.begin(), ranks_.end(), [](const auto& a, const auto& b) {
      return own_ns(a.growth_ns) < own_ns(b.growth_ns);
    });
    const double common_ns = peers_growth_ns(*largest, own_ns);
    if (common_ns >= kHalf * shift_ns_ || !any_may_be_half()) return everywhere();
    return unknown();
  }

 private:
  [[nodiscard]] double excess_ns(std::size_t rank) const { return std::min(added_.of(rank), multiplied_.of(rank)); }

  [[nodiscard]] bool is_shown(std::size_t rank) const {
    return excess_ns(rank) >= kHalf * shift_ns_ && std::max(added_.p(rank), multiplied_.p(rank)) <= kAlpha;
  }

  /// 0 for a rank whose excess is too small to be named.
  [[nodiscard]] double sureness(std::size_t rank) const {
    return excess_ns(rank) < kHalf * shift_ns_ ? 0 : std::min(added_.ratio(rank), multiplied_.ratio(rank));
  }

  [[nodiscard]] bool any_may_be_half() const {
    for (std::size_t i = 0; i < ranks_.size(); ++i)
      if (std::min(added_.at_most(i), multiplied_.at_most(i)) >= kHalf * shift_ns_) return true;
    return false;
  }

  /// The median over the other ranks of what `value` makes of their growth.
  template <class Value>
  [[nodiscard]] double peers_growth_ns(const RankRuns& left_out, Value value) const {
    std::vector<double> values;
    for (const RankRuns& rank : ranks_)
      if (&rank != &left_out) values.push_back(value(rank.growth_ns));
    return median(std::move(values));
  }

  /// All ranks of the suspect's node have at least half of its excess.
  [[nodiscard]] bool whole_node(std::size_t suspect) const {
    int siblings = 0;
    for (std::size_t i = 0; i < ranks_.size(); ++i) {
      if (ranks_[i].node != ranks_[suspect].node || i == suspect) continue;
      if (added_.of(i) < kHalf * added_.of(suspect)) return false;
      ++siblings;
    }
    return siblings > 0;
  }

  [[nodiscard]] Location place(std::size_t suspect) const {
    const RankRuns& rank = ranks_[suspect];
    Location found{.where = Location::Where::place, .node = rank.node};
    found.rank = whole_node(suspect) ? -1 : rank.rank;
    std::size_t leading = 0;
    double growth_ns = -HUGE_VAL;
    for (std::size_t phase = 0; phase < kStepPhases.size(); ++phase) {
      if (phase == kExposedComm) continue;
      const double beyond_ns =
          rank.growth_ns[phase] - peers_growth_ns(rank, [&](const PhaseTimes& growth) { return growth[phase]; });
      if (beyond_ns > growth_ns) leading = phase, growth_ns = beyond_ns;
    }
    found.phase = kStepPhases[leading];
    found.growth_ns = slower_ ? growth_ns : -growth_ns;
    found.share = added_.of(suspect) / shift_ns_;
    const std::string who = found.rank < 0 ? "all its ranks" : fmt::format("rank {}", found.rank);
    found.text = fmt::format(
        "{} ({}): {} {} a step against its peers; its own work makes up {} of the shift ({} among {} ranks)",
        name_of_node(topology_, found.node), who, phase_words(found.phase), change_words(growth_ns, slower_),
        percent(std::min(found.share, 1.0)), p_text(std::max(added_.p(suspect), multiplied_.p(suspect))),
        ranks_.size());
    std::set<int> others;  // all of them must get well before steps do
    for (std::size_t i = 0; i < ranks_.size(); ++i)
      if (ranks_[i].node != found.node && is_shown(i)) others.insert(ranks_[i].node);
    if (!others.empty())
      found.text += fmt::format("; {}{} as much, and putting one of them right would not help",
                                name_of_node(topology_, *others.begin()),
                                others.size() > 1 ? fmt::format(" and {} more nodes", others.size() - 1) : "");
    return found;
  }

  /// By the phase that grew most on the middle rank.
  [[nodiscard]] Location everywhere() const {
    PhaseTimes common{};
    for (std::size_t phase = 0; phase < common.size(); ++phase) {
      std::vector<double> growths_ns;
      for (const RankRuns& rank : ranks_) growths_ns.push_back(rank.growth_ns[phase]);
      common[phase] = median(std::move(growths_ns));
    }
    const auto leading = static_cast<std::size_t>(std::max_element(common.begin(), common.end()) - common.begin());
    Location found{.where = Location::Where::everywhere, .phase = std::string(kStepPhases[leading])};
    found.growth_ns = slower_ ? common[leading] : -common[leading];
    found.share = common[leading] / shift_ns_;
    std::string others;
    for (std::size_t phase = 0; phase < common.size(); ++phase)
      if (phase != leading && common[phase] > shift_ns_ / 4)
        others += fmt::format(", {} {}", phase_words(kStepPhases[phase]), change_words(common[phase], slower_));
    std::string meaning;
    if (leading == kExposedComm)
      meaning = "; no rank's own work explains it" +
                std::string(went_with_.empty() ? ": the network, or ranks that are late by turns" : "");
    if (!went_with_.empty()) meaning += "; with it went " + went_with_;
    found.text =
        fmt::format("no single rank: {} {} a step on all ranks alike, {} of the shift{}{}", phase_words(found.phase),
                    change_words(common[leading], slower_), percent(std::min(found.share, 1.0)), others, meaning);
    return found;
  }

  [[nodiscard]] Location unknown() const {
    Location found;
    if (smallest_permutation_p(old_runs_, new_runs_) / 2 > kAlpha)
      found.text = fmt::format(
          "cannot be told: {} + {} runs do not say how much ranks differ from run to run; 3 + 3 are the fewest that do",
          old_runs_, new_runs_);
    else
      found.text = fmt::format(
          "cannot be told: ranks differ so much from run to run that one of {} can have half of the shift, and does "
          "not stand out; more runs a side narrow that down{}",
          ranks_.size(), added_.inflation(0) > kWanders ? ", best old and new ones by turns: ranks wander" : "");
    return found;
  }

  std::vector<RankRuns> ranks_;
  double shift_ns_;
  bool slower_;
  const Topology& topology_;
  const std::string& went_with_;
  std::size_t old_runs_, new_runs_;
  LargestShift added_, multiplied_;
};

}  // namespace

std::string_view to_string(Location::Where where) {
  return where == Location::Where::place ? "place" : where == Location::Where::everywhere ? "everywhere" : "unknown";
}

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

std::optional<Location> locate(std::span<const ComparedRun> before, std::span<const ComparedRun> after,
                               const Topology& topology, const std::string& went_with) {
  if (before.empty() || after.empty()) return std::nullopt;
  std::vector<RankRuns> ranks = rank_runs(before, after);
  double shift_ns = 0;
  for (const RankRuns& rank : ranks) shift_ns += rank.step_growth_ns() / static_cast<double>(ranks.size());
  if (ranks.empty() || shift_ns == 0) return std::nullopt;
  return Locator(std::move(ranks), in_order_of_time(before, after), before.size(), shift_ns, topology, went_with)
      .locate();
}

}  // namespace grit
