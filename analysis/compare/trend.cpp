#include "analysis/compare/trend.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "analysis/compare/shift.hpp"
#include "analysis/facts/baseline_drift.hpp"
#include "analysis/facts/wording.hpp"
#include "analysis/stats/change_points.hpp"
#include "analysis/stats/median.hpp"
#include "harness/model/format.hpp"

namespace grit {
namespace {

constexpr ChangePointOptions kOfRuns{.alpha = 0.05};
/// A shift of so many spreads in the middle of eight independent values or more is found in at least nine cases of ten
/// (tests/unit/analysis/test_change_points.cpp).
constexpr double kSeenSpreads = 5;

/// Standard deviation of values about their own stretch's median, robust, over the whole trend. Each median was taken
/// from the values, as a mean would take a degree of freedom.
double spread_of(const std::vector<double>& values, const std::vector<ChangePoint>& changes) {
  constexpr double kNormal = 1.4826;
  std::vector<double> deviations;
  std::size_t from = 0;
  for (std::size_t i = 0; i <= changes.size(); ++i) {
    const std::size_t to = i < changes.size() ? changes[i].first : values.size();
    const auto at = [&](std::size_t place) { return values.begin() + static_cast<std::ptrdiff_t>(place); };
    const double center = median({at(from), at(to)});
    for (std::size_t j = from; j < to; ++j) deviations.push_back(std::abs(values[j] - center));
    from = to;
  }
  const auto n = static_cast<double>(deviations.size()), medians = static_cast<double>(changes.size() + 1);
  return kNormal * median(deviations) * std::sqrt(n / std::max(1.0, n - medians));
}

class Finder {
 public:
  Finder(std::vector<ComparedRun> runs, double tolerance) : runs_(std::move(runs)) {
    trend_.tolerance = tolerance;
    trend_.of_runs = runs_.size() > 1;
    trend_.emulated = runs_.front().plan.emulated;
  }

  Trend run() {
    put_in_order();
    for (const Node& node : runs_.back().plan.topology.nodes) trend_.node_names.push_back(node.name);
    for (ComparedRun& one : runs_) match_hosts(one, runs_.back().plan.topology);
    if (trend_.of_runs)
      take_runs();
    else
      take_blocks();
    std::vector<double> values;
    for (const TrendPoint& point : trend_.points) values.push_back(std::log(point.median_ns));
    const auto found = trend_.of_runs ? change_points(values, kOfRuns) : changes_of_blocks(values);
    for (std::size_t i = 0; i < found.size(); ++i) take_change(found, i);
    conclude(values, found);
    for (const ComparedRun& one : runs_) {
      for (const std::string& text : other_differences(runs_.front().plan, one.plan))
        trend_.reasons.push_back(one.name() + ": " + text);
      trend_.reasons.insert(trend_.reasons.end(), one.remarks.begin(), one.remarks.end());
    }
    return std::move(trend_);
  }

 private:
  [[nodiscard]] std::string_view noun() const { return trend_.of_runs ? "run" : "baseline block"; }

  [[nodiscard]] std::string place_name(const TrendPoint& point) const {
    return trend_.of_runs ? point.run : fmt::format("block {}", point.block);
  }

  void put_in_order() {
    const auto earlier = [](const ComparedRun& a, const ComparedRun& b) { return a.started_utc < b.started_utc; };
    if (std::is_sorted(runs_.begin(), runs_.end(), earlier)) return;
    std::stable_sort(runs_.begin(), runs_.end(), earlier);
    trend_.reasons.emplace_back("the runs were put into the order in which they began");
  }

  void take_runs() {
    for (const ComparedRun& run : runs_) {
      const auto by_median = [](const ComparedBlock& a, const ComparedBlock& b) { return a.median_ns < b.median_ns; };
      const auto [low, high] = std::minmax_element(run.baseline.begin(), run.baseline.end(), by_median);
      trend_.points.push_back({run.name(), run.started_utc, -1,
                               std::exp(mean_log(run.baseline, &ComparedBlock::median_ns)), low->median_ns,
                               high->median_ns, load_range(run.loads)});
    }
  }

  void take_blocks() {
    const ComparedRun& run = runs_.front();
    for (const ComparedBlock& block : run.baseline)
      trend_.points.push_back(
          {run.name(), run.started_utc, block.index, block.median_ns, block.median_ns, block.median_ns, block.load});
  }

  void take_change(const std::vector<ChangePoint>& all, std::size_t i) {
    const std::size_t from = i == 0 ? 0 : all[i - 1].first, at = all[i].first;
    const std::size_t to = i + 1 < all.size() ? all[i + 1].first : trend_.points.size();
    const TrendPoint& point = trend_.points[at];
    TrendChange change;
    change.first = at;
    change.shift = std::expm1(all[i].shift);
    change.p = all[i].p;
    change.text = fmt::format("from {} on steps are {}", place_name(point), shift_words(all[i].shift));
    std::string went_with;
    if (trend_.of_runs) {
      change.environment = compare_environments(environments(from, at), environments(at, to));
      change.machines = machines_about(from, at, to, change.shift > 0);
      went_with = shown_text(change.machines, trend_.node_names);
      if (!went_with.empty()) went_with = "; with it went " + went_with;
    }
    if (all[i].wandering) {
      say_what_wanders(all[i], change, went_with);
      return;
    }
    change.text += fmt::format(" ({}){}", p_text(change.p), went_with);
    trend_.changes.push_back(std::move(change));
  }

  /// A series that wanders has stretches that differ: that shows no change, nor that there is none.
  void say_what_wanders(const ChangePoint& point, const TrendChange& change, const std::string& went_with) {
    if (std::abs(change.shift) <= trend_.tolerance) return;
    wanders_ = true;
    trend_.reasons.push_back(
        fmt::format("{}, which cannot be told from a step time that wanders: each {} is like the one before it "
                    "(autocorrelation {:.2f} allowed for){}",
                    change.text, noun(), point.autocorrelation, went_with));
  }

  [[nodiscard]] std::vector<MachineShift> machines_about(std::size_t from, std::size_t at, std::size_t to,
                                                         bool slower) const {
    std::vector<MachineLoads> loads;
    for (std::size_t i = from; i < to; ++i) loads.push_back(runs_[i].loads);
    std::vector<std::size_t> in_time(loads.size());
    std::iota(in_time.begin(), in_time.end(), std::size_t{0});
    return machine_shifts(std::span(loads).first(at - from), std::span(loads).subspan(at - from), in_time, slower);
  }

  [[nodiscard]] std::vector<Environments> environments(std::size_t from, std::size_t to) const {
    std::vector<Environments> result;
    for (std::size_t i = from; i < to; ++i) result.push_back(runs_[i].environments);
    return result;
  }

  void conclude(const std::vector<double>& values, const std::vector<ChangePoint>& found) {
    const std::string tolerance = percent(trend_.tolerance);
    const auto beyond = std::find_if(trend_.changes.begin(), trend_.changes.end(), [&](const TrendChange& change) {
      return std::abs(change.shift) > trend_.tolerance;
    });
    if (beyond != trend_.changes.end()) {
      trend_.exit_code = 1;
      trend_.sentence = "Steps changed: " + beyond->text;
      return;
    }
    const std::size_t fewest = trend_.of_runs ? kFewestForChange : kFewestBlocks;
    if (values.size() < fewest) {
      trend_.sentence =
          fmt::format("{} {}s are too few to show a change among them; {} could", values.size(), noun(), fewest);
      return;
    }
    const double seen = std::expm1(kSeenSpreads * spread_of(values, found));
    trend_.exit_code = seen <= trend_.tolerance ? 0 : 2;
    trend_.sentence = trend_.changes.empty()
                          ? fmt::format("No change among {} {}s", values.size(), noun())
                          : fmt::format("No change beyond ±{} among {} {}s", tolerance, values.size(), noun());
    if (wanders_) {
      trend_.exit_code = 2;
      if (trend_.changes.empty())
        trend_.sentence = fmt::format("The {}s wander, and no change among them can be told from that", noun());
    }
    judge_newest(std::span(values).subspan(found.empty() ? 0 : found.back().first));
    trend_.reasons.push_back(fmt::format(
        "one of {} or more in the middle of the series would have been seen in nine cases of ten{}", percent(seen),
        seen <= trend_.tolerance ? "" : ", one at its ends or a smaller one not: inconclusive for ±" + tolerance));
  }

  /// A change needs some values after it to be found: whether the newest ones are like the others is asked of them
  /// alone.
  void judge_newest(std::span<const double> stretch) {
    const ChangePointOptions& options = trend_.of_runs ? kOfRuns : kOfBlocks;
    const auto newest = compare_newest(stretch, options.shortest - 1, std::min(options.alpha, kNewestAlpha));
    const auto words = [&](std::size_t count) {
      return count == 1 ? fmt::format("newest {}", noun()) : fmt::format("newest {} {}s", count, noun());
    };
    double most = 0;
    const Newest* odd = nullptr;
    for (const Newest& one : newest) {
      most = std::max(most, std::abs(one.shift) + one.half_width);
      const bool beyond = std::abs(std::expm1(one.shift)) > trend_.tolerance;
      if (beyond && std::abs(one.shift) > one.half_width) odd = &one;
    }
    if (!newest.empty() && std::expm1(most) <= trend_.tolerance) return;
    trend_.exit_code = 2;
    if (odd != nullptr)
      trend_.sentence += fmt::format(", but the {} {} {} than those before: not enough yet to tell whether that lasts",
                                     words(odd->count), odd->count == 1 ? "is" : "are", shift_words(odd->shift));
    else
      trend_.reasons.push_back(fmt::format("whether the {} changed beyond ±{} cannot be told from so few",
                                           words(options.shortest - 1), percent(trend_.tolerance)));
  }

  /// Of 10 blocks in halves, 2 in 252 divisions are as good as the best; alpha is 0.01.
  static constexpr std::size_t kFewestBlocks = 10;

  std::vector<ComparedRun> runs_;
  Trend trend_{};
  bool wanders_ = false;  // beyond the tolerance
};

}  // namespace

Trend find_changes(std::vector<ComparedRun> runs, double tolerance) { return Finder(std::move(runs), tolerance).run(); }

Json to_json(const Trend& trend) {
  Json json{{"format", formats::kTrend.number}, {"of", trend.of_runs ? "runs" : "blocks"},
            {"tolerance", trend.tolerance},     {"exit_code", trend.exit_code},
            {"sentence", trend.sentence},       {"reasons", trend.reasons},
            {"points", Json::array()},          {"changes", Json::array()}};
  for (const TrendPoint& point : trend.points)
    json["points"].push_back({{"run", point.run},
                              {"started_utc", point.started_utc},
                              {"block", point.block},
                              {"median_ns", point.median_ns},
                              {"machines", to_json(point.load.mean)}});
  for (const TrendChange& change : trend.changes)
    json["changes"].push_back({{"first", change.first},
                               {"shift", change.shift},
                               {"p", change.p},
                               {"text", change.text},
                               {"machines", to_json(change.machines)},
                               {"environment", to_json(change.environment)}});
  return json;
}

}  // namespace grit
