#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "analysis/facts/wording.hpp"
#include "analysis/report/plots/burnin_plots.hpp"
#include "analysis/report/plots/plot_spec.hpp"
#include "analysis/report/tables/burnin_words.hpp"

namespace grit {
namespace {

constexpr double kNsPerHour = 3600e9;
/// A line of a label by the height of the plot without its axes.
constexpr double kLabelHeight = 0.11;
/// Beside the last cycle there is room for names, as a share of the axis.
constexpr double kLabelWidth = 0.3;

double hours_of(std::int64_t ns) { return rounded(static_cast<double>(ns) / kNsPerHour); }

/// What is drawn of one measure, as the specification takes it.
struct DriftData {
  Json fleet = Json::array(), paths = Json::array(), ends = Json::array();
  double low = 0, high = 0;  // of the y axis
  void hold(double value) { low = std::min(low, value), high = std::max(high, value); }
};

void add_fleet(const BurninDrift& drift, double tolerance, DriftData& data) {
  for (const BurninDrift::Point& point : drift.points) {
    data.fleet.push_back({{"hours", hours_of(point.at_ns)},
                          {"middle", rounded(point.middle)},
                          {"low", rounded(point.low)},
                          {"high", rounded(point.high)},
                          {"matters", rounded(point.middle + tolerance)},
                          {"tip", fmt::format("cycle {}: the middle of {} nodes {}, nine of ten between {} and {}",
                                              point.cycle, point.nodes, signed_percent(point.middle),
                                              signed_percent(point.low), signed_percent(point.high))}});
    for (const double value : {point.low, point.high, point.middle + tolerance}) data.hold(value);
  }
}

/// The worst have their names beside their last figures, below each other where these are close.
void add_nodes(const BurninDrift& drift, DriftData& data) {
  std::map<int, std::int64_t> at_ns;
  for (const BurninDrift::Point& point : drift.points) at_ns[point.cycle] = point.at_ns;
  std::vector<const BurninDrift::Node*> named;
  for (const BurninDrift::Node& node : drift.slower) {
    if (named.size() == kMostNamedNodes) break;
    if (node.path.empty() || node.path.size() != node.cycles.size()) continue;
    named.push_back(&node);
    for (std::size_t i = 0; i < node.path.size(); ++i) {
      data.hold(node.path[i]);
      data.paths.push_back(
          {{"host", node.host},
           {"hours", hours_of(at_ns[node.cycles[i]])},
           {"worse", rounded(node.path[i])},
           {"tip", fmt::format("{}, cycle {}: {}", node.host, node.cycles[i], signed_percent(node.path[i]))}});
    }
  }
  std::stable_sort(named.begin(), named.end(),
                   [](const auto* a, const auto* b) { return a->path.back() > b->path.back(); });
  double free_below = data.high;
  for (const BurninDrift::Node* node : named) {
    const double at = std::min(node->path.back(), free_below);
    free_below = at - kLabelHeight * (data.high - data.low);
    data.ends.push_back({{"hours", hours_of(at_ns[node->cycles.back()])},
                         {"at", rounded(at)},
                         {"name", node->host + " " + signed_percent(node->worse)}});
  }
}

Plot drift_plot(const BurninReport& report, const BurninDrift& drift, std::size_t index) {
  Plot plot{fmt::format("plot-drift-{}", index), drift_name(report, drift), ""};
  const double tolerance = tolerance_of(report.config, drift.measure);
  DriftData data;
  add_fleet(drift, tolerance, data);
  add_nodes(drift, data);
  const double margin = 0.04 * (data.high - data.low) + 1e-9;
  const double first = hours_of(drift.points.front().at_ns), last = hours_of(drift.points.back().at_ns);
  const double room = data.ends.empty() ? 0.02 : kLabelWidth;
  Json spec = load_spec(assets::kBurninDriftSpec);
  set_data(spec, "fleet", data.fleet);
  set_data(spec, "paths", data.paths);
  set_data(spec, "ends", data.ends);
  set_signal(spec, "x_domain", Json{first, last + room * std::max(last - first, 1e-6)});
  set_signal(spec, "y_domain", Json{data.low - margin, data.high + margin});
  const std::size_t drawn = drift.points.size();
  plot.caption =
      fmt::format("{} nodes, {} whole cycles{}; dashed: {} worse than the middle, from which on it matters.",
                  drift.points.front().nodes, drift.cycles,
                  drawn < static_cast<std::size_t>(drift.cycles) ? fmt::format(", {} of them drawn", drawn) : "",
                  level_text(tolerance));
  const auto unnamed = drift.slower.size() - std::min(drift.slower.size(), kMostNamedNodes) +
                       static_cast<std::size_t>(drift.more_slower);
  if (unnamed > 0) plot.note = fmt::format("{} more nodes got worse.", unnamed);
  plot.spec = std::move(spec);
  return plot;
}

}  // namespace

std::vector<Plot> burnin_drift_plots(const BurninReport& report) {
  std::vector<const BurninDrift*> drifts;
  for (const BurninDrift& drift : report.drift)
    if (drift.points.size() >= 2) drifts.push_back(&drift);
  const auto rank = [](const BurninDrift* drift) {
    return drift->slower.empty() ? (drift->is_beyond_noise ? 1 : 2) : 0;
  };
  std::stable_sort(drifts.begin(), drifts.end(), [&](const auto* a, const auto* b) { return rank(a) < rank(b); });
  std::vector<Plot> plots;
  for (std::size_t i = 0; i < drifts.size() && i < kMostDriftPlots; ++i)
    plots.push_back(drift_plot(report, *drifts[i], i));
  if (drifts.size() > kMostDriftPlots)
    plots.back().note += fmt::format("{}{} more measures are in burnin.json.", plots.back().note.empty() ? "" : " ",
                                     drifts.size() - kMostDriftPlots);
  return plots;
}

}  // namespace grit
