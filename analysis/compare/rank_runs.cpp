#include "analysis/compare/rank_runs.hpp"

#include <algorithm>
#include <map>
#include <numeric>

namespace grit {
namespace {

double mean_ns(std::span<const PhaseTimes> runs, std::size_t phase) {
  double sum_ns = 0;
  for (const PhaseTimes& run : runs) sum_ns += run[phase];
  return sum_ns / static_cast<double>(runs.size());
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

}  // namespace

double own_ns(const PhaseTimes& phases) {
  return std::accumulate(phases.begin(), phases.end(), 0.0) - phases[kExposedComm];
}

double RankRuns::step_growth_ns() const { return std::accumulate(growth_ns.begin(), growth_ns.end(), 0.0); }

std::vector<RankRuns> rank_runs(std::span<const ComparedRun> before, std::span<const ComparedRun> after) {
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
    const auto old_runs = std::span<const PhaseTimes>(rank.runs).first(before.size());
    const auto new_runs = std::span<const PhaseTimes>(rank.runs).subspan(before.size());
    for (std::size_t phase = 0; phase < rank.growth_ns.size(); ++phase)
      rank.growth_ns[phase] = mean_ns(new_runs, phase) - mean_ns(old_runs, phase);
    complete.push_back(std::move(rank));
  }
  return complete;
}

std::vector<std::vector<double>> beyond_peers_ns(std::span<const RankRuns> ranks, Scale scale) {
  const std::size_t runs = ranks.front().runs.size();
  std::vector<std::vector<double>> beyond(ranks.size(), std::vector<double>(runs));
  std::vector<double> unit(ranks.size(), 1);
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    double mean_ns = 0;
    for (const PhaseTimes& phases : ranks[i].runs) mean_ns += own_ns(phases) / static_cast<double>(runs);
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

}  // namespace grit
