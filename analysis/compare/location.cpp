#include "analysis/compare/location.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "analysis/facts/node_names.hpp"
#include "analysis/facts/wording.hpp"
#include "analysis/stats/median.hpp"
#include "analysis/stats/two_samples.hpp"
#include "harness/base/units.hpp"

namespace grit {
namespace {

constexpr double kHalf = 0.5;                 // of the shift
constexpr double kAlpha = 0.05;               // how often a rank is named that does not differ from its peers
constexpr std::size_t kMostDivisions = 2000;  // a p of 0.05 is then known to 0.005 (one standard error)

using Phases = std::array<double, kStepPhases.size()>;

double own_ns(const Phases& phases) {
  return std::accumulate(phases.begin(), phases.end(), 0.0) - phases[kExposedComm];
}

/// One rank in all runs, the old ones first.
struct RankRuns {
  int rank = 0;
  int node = 0;
  std::vector<Phases> runs{};
  Phases growth_ns{};  // mean of the new runs less mean of the old ones, in the direction of the shift

  [[nodiscard]] double step_growth_ns() const { return std::accumulate(growth_ns.begin(), growth_ns.end(), 0.0); }
};

double mean_ns(std::span<const Phases> runs, std::size_t phase) {
  double sum_ns = 0;
  for (const Phases& run : runs) sum_ns += run[phase];
  return sum_ns / static_cast<double>(runs.size());
}

/// Ranks that are in every run.
std::vector<RankRuns> ranks_of(std::span<const ComparedRun> before, std::span<const ComparedRun> after) {
  std::map<int, RankRuns> all;
  for (const auto& runs : {before, after})
    for (const ComparedRun& run : runs)
      for (const RankPhases& phases : run.phases) {
        RankRuns& rank = all[phases.rank];
        rank.rank = phases.rank;
        rank.node = phases.node;
        rank.runs.push_back(phases.mean_ns);
      }
  std::vector<RankRuns> complete;
  for (auto& [number, rank] : all) {
    if (rank.runs.size() != before.size() + after.size()) continue;
    const auto old_runs = std::span<const Phases>(rank.runs).first(before.size());
    const auto new_runs = std::span<const Phases>(rank.runs).subspan(before.size());
    for (std::size_t phase = 0; phase < rank.growth_ns.size(); ++phase)
      rank.growth_ns[phase] = mean_ns(new_runs, phase) - mean_ns(old_runs, phase);
    complete.push_back(std::move(rank));
  }
  return complete;
}

/// The median of all values but one.
class Peers {
 public:
  explicit Peers(std::vector<double> values) : sorted_(std::move(values)) { std::sort(sorted_.begin(), sorted_.end()); }

  /// `value` is one of them, and left out. 0 when it is the only one.
  [[nodiscard]] double without(double value) const {
    const std::size_t rest = sorted_.size() - 1;
    if (rest == 0) return 0;
    const auto left_out =
        static_cast<std::size_t>(std::lower_bound(sorted_.begin(), sorted_.end(), value) - sorted_.begin());
    const auto at = [&](std::size_t place) { return sorted_[place < left_out ? place : place + 1]; };
    return rest % 2 == 1 ? at(rest / 2) : (at(rest / 2 - 1) + at(rest / 2)) / 2;
  }

 private:
  std::vector<double> sorted_;
};

enum class Scale { added, multiplied };  // what a common change does to unequal ranks

/// By rank and run: own work about the rank's mean, beyond that of its peers; above 0 is more. Nothing in it depends on
/// which runs are the new ones.
std::vector<std::vector<double>> beyond_peers(const std::vector<RankRuns>& ranks, Scale scale) {
  const std::size_t runs = ranks.front().runs.size();
  std::vector<std::vector<double>> beyond(ranks.size(), std::vector<double>(runs));
  std::vector<double> unit(ranks.size(), 1);
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    double mean_ns = 0;
    for (const Phases& phases : ranks[i].runs) mean_ns += own_ns(phases) / static_cast<double>(runs);
    if (scale == Scale::multiplied && mean_ns > 0) unit[i] = mean_ns;
    for (std::size_t run = 0; run < runs; ++run) beyond[i][run] = (own_ns(ranks[i].runs[run]) - mean_ns) / unit[i];
  }
  std::vector<double> column(ranks.size());
  for (std::size_t run = 0; run < runs; ++run) {
    for (std::size_t i = 0; i < ranks.size(); ++i) column[i] = beyond[i][run];
    const Peers peers(column);
    for (std::size_t i = 0; i < ranks.size(); ++i) beyond[i][run] = (column[i] - peers.without(column[i])) * unit[i];
  }
  return beyond;
}

/// Of each rank how much it does beyond its peers in the new runs more than in the old ones, and how sure that is.
class Excesses {
 public:
  Excesses(const std::vector<RankRuns>& ranks, std::size_t old_runs, bool slower, Scale scale)
      : beyond_(beyond_peers(ranks, scale)), old_(old_runs), new_(beyond_.front().size() - old_runs) {
    for (std::vector<double>& rank : beyond_) {
      if (!slower)
        for (double& value_ns : rank) value_ns = -value_ns;
      totals_ns_.push_back(std::accumulate(rank.begin(), rank.end(), 0.0));
      squares_.push_back(std::inner_product(rank.begin(), rank.end(), rank.begin(), 0.0));  // their mean is about 0
      const double mean_ns = totals_ns_.back() / static_cast<double>(rank.size());
      squares_.back() -= mean_ns * totals_ns_.back();
    }
    std::vector<double> spreads;
    for (const double squares : squares_) spreads.push_back(error_of(squares, 1));
    usual_error_ns_ = median(std::move(spreads));
    std::vector<std::size_t> real(old_);
    std::iota(real.begin(), real.end(), std::size_t{0});
    for (std::size_t i = 0; i < beyond_.size(); ++i) excess_ns_.push_back(excess_of(i, real));
    largest_.push_back(largest_ratio(real));
    if (old_ + new_ > 2)
      each_other_division(old_, new_, kMostDivisions,
                          [&](const auto& places) { largest_.push_back(largest_ratio(places)); });
    std::sort(largest_.begin(), largest_.end(), std::greater<>());
  }

  [[nodiscard]] double of(std::size_t rank) const { return excess_ns_[rank]; }
  [[nodiscard]] double ratio(std::size_t rank) const { return ratio_of(rank, excess_ns_[rank]); }
  /// That some rank stands out as much by chance.
  [[nodiscard]] double p(std::size_t rank) const {
    const auto as_large = std::upper_bound(largest_.begin(), largest_.end(), ratio(rank), std::greater<>());
    return static_cast<double>(as_large - largest_.begin()) / static_cast<double>(largest_.size());
  }
  /// What the rank's excess may be at most. Infinite when there are too few runs for any statement.
  [[nodiscard]] double at_most(std::size_t rank) const {
    const auto as_large_by_chance = static_cast<std::size_t>(kAlpha * static_cast<double>(largest_.size()));
    if (as_large_by_chance < 1) return HUGE_VAL;
    return excess_ns_[rank] + largest_[as_large_by_chance] * error_ns(rank, excess_ns_[rank]);
  }

 private:
  [[nodiscard]] double excess_of(std::size_t rank, const std::vector<std::size_t>& old_places) const {
    double old_ns = 0;
    for (const std::size_t place : old_places) old_ns += beyond_[rank][place];
    return (totals_ns_[rank] - old_ns) / static_cast<double>(new_) - old_ns / static_cast<double>(old_);
  }
  /// Standard error of a difference of means with these squares within the sides, `lost` degrees of freedom less than
  /// there are runs.
  [[nodiscard]] double error_of(double squares, std::size_t lost) const {
    const auto old_runs = static_cast<double>(old_), new_runs = static_cast<double>(new_);
    const double freedom = std::max(1.0, old_runs + new_runs - static_cast<double>(lost));
    return std::sqrt(std::max(0.0, squares) / freedom * (1 / old_runs + 1 / new_runs));
  }
  [[nodiscard]] double error_ns(std::size_t rank, double excess_ns) const {
    const auto old_runs = static_cast<double>(old_), new_runs = static_cast<double>(new_);
    const double between = excess_ns * excess_ns * old_runs * new_runs / (old_runs + new_runs);
    return error_of(squares_[rank] - between, 2) + usual_error_ns_;
  }
  [[nodiscard]] double ratio_of(std::size_t rank, double excess_ns) const {
    if (excess_ns <= 0) return 0;
    const double error = error_ns(rank, excess_ns);
    return error > 0 ? excess_ns / error : HUGE_VAL;
  }
  [[nodiscard]] double largest_ratio(const std::vector<std::size_t>& old_places) const {
    double largest = 0;
    for (std::size_t i = 0; i < beyond_.size(); ++i) largest = std::max(largest, ratio_of(i, excess_of(i, old_places)));
    return largest;
  }

  std::vector<std::vector<double>> beyond_;
  std::size_t old_, new_;
  std::vector<double> totals_ns_{}, squares_{};  // by rank: sum, and sum of squares about the mean, over all runs
  std::vector<double> excess_ns_{};
  std::vector<double> largest_{};  // the largest ratio of any rank, by division, descending
  double usual_error_ns_ = 0;
};

std::string phase_words(std::string_view phase) {
  return std::string(phase == "exposed_comm" ? "waiting in collectives" : phase);
}

std::string change_words(double growth_ns, bool slower) {
  return (slower ? "+" : "−") + format_duration(std::abs(growth_ns));
}

class Locator {
 public:
  Locator(std::vector<RankRuns> ranks, std::size_t old_runs, double shift_ns, const Topology& topology)
      : ranks_(std::move(ranks)),
        shift_ns_(std::abs(shift_ns)),
        slower_(shift_ns > 0),
        topology_(topology),
        old_runs_(old_runs),
        new_runs_(ranks_.front().runs.size() - old_runs),
        added_(ranks_, old_runs, slower_, Scale::added),
        multiplied_(ranks_, old_runs, slower_, Scale::multiplied) {
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
          rank.growth_ns[phase] - peers_growth_ns(rank, [&](const Phases& growth) { return growth[phase]; });
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
    Phases common{};
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
    const std::string_view meaning =
        leading == kExposedComm ? "; no rank's own work explains it: the network, or ranks that are late by turns" : "";
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
          "not "
          "stand out; more runs a side narrow that down",
          ranks_.size());
    return found;
  }

  std::vector<RankRuns> ranks_;
  double shift_ns_;
  bool slower_;
  const Topology& topology_;
  std::size_t old_runs_, new_runs_;
  Excesses added_, multiplied_;
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
                               const Topology& topology) {
  if (before.empty() || after.empty()) return std::nullopt;
  std::vector<RankRuns> ranks = ranks_of(before, after);
  double shift_ns = 0;
  for (const RankRuns& rank : ranks) shift_ns += rank.step_growth_ns() / static_cast<double>(ranks.size());
  if (ranks.empty() || shift_ns == 0) return std::nullopt;
  return Locator(std::move(ranks), before.size(), shift_ns, topology).locate();
}

}  // namespace grit
