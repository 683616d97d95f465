#include "analysis/report/plots/plots_loads.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "analysis/report/plots/plot_spec.hpp"
#include "harness/base/units.hpp"

namespace grit {
namespace {

constexpr int kRowHeight = 64, kRowGap = 30;  // pixels; a row's title stands in the gap above it

/// A run or a block.
struct Point {
  std::string name{};   // on the axis; each another one
  std::string where{};  // in its tooltip
  std::string_view side = "old";
  double step_ns = 0, low_ns = 0, high_ns = 0;
  LoadRange load{};
};

/// What is between two points that follow each other.
struct Mark {
  std::size_t first = 0;  // place of the later one
  std::string tip{};
};

/// "3 · 20261125T081500Z-7": runs of different directories may be called alike.
std::string axis_name(std::size_t place, const std::string& run) {
  return fmt::format("{} · {}", place + 1, std::filesystem::path(run).filename().string());
}

/// The rows of the plot, one below the other: step times first, then each load that some point knows.
class Rows {
 public:
  explicit Rows(const std::vector<Point>& points) : points_(points) {
    add_steps();
    for (std::size_t kind = 0; kind < kLoadKinds.size(); ++kind) add_load(kind);
  }

  Json panels = Json::array(), marks = Json::array();

 private:
  /// Beside the panel's number: its title and what its axis reaches from and to.
  void add_panel(const std::string& title, double low, double high) {
    const std::size_t row = panels.size();
    panels.push_back({{"panel", row},
                      {"title", title},
                      {"y", kRowGap + static_cast<int>(row) * (kRowHeight + kRowGap)},
                      {"low", rounded(low)},
                      {"high", rounded(high)}});
  }

  void add_point(const Point& point, double mean, double low, double high, const std::string& tip) {
    marks.push_back({{"panel", panels.size()},
                     {"name", point.name},
                     {"side", point.side},
                     {"mean", rounded(mean)},
                     {"low", rounded(low)},
                     {"high", rounded(high)},
                     {"tip", point.where + ": " + tip}});
  }

  void add_steps() {
    const TimeUnit unit = unit_for(points_.front().step_ns);
    double low_ns = points_.front().low_ns, high_ns = low_ns;
    for (const Point& point : points_) {
      low_ns = std::min(low_ns, point.low_ns), high_ns = std::max(high_ns, point.high_ns);
      const std::string range =
          point.low_ns < point.high_ns
              ? fmt::format(", blocks from {} to {}", format_duration(point.low_ns), format_duration(point.high_ns))
              : "";
      add_point(point, point.step_ns / unit.ns, point.low_ns / unit.ns, point.high_ns / unit.ns,
                format_duration(point.step_ns) + " a step" + range);
    }
    const double margin_ns = std::max(0.08 * (high_ns - low_ns), 1e-3 * high_ns);
    add_panel(fmt::format("time per step ({})", unit.name), (low_ns - margin_ns) / unit.ns,
              (high_ns + margin_ns) / unit.ns);
  }

  void add_load(std::size_t kind) {
    const LoadKind& load_kind = kLoadKinds[kind];
    const double unit = load_kind.is_share ? 0.01 : kind == kClock ? 1e9 : 1;
    double low = 0, high = 0;
    bool known = false;
    for (const Point& point : points_) {
      const double mean = point.load.mean[kind], least = point.load.least[kind], most = point.load.most[kind];
      if (std::isnan(mean)) continue;
      low = known ? std::min(low, least) : least, high = known ? std::max(high, most) : most;
      known = true;
      const std::string range =
          least < most ? fmt::format(", machines from {} to {}", load_text(kind, least), load_text(kind, most)) : "";
      add_point(point, mean / unit, least / unit, most / unit, load_text(kind, mean) + range);
    }
    if (!known) return;
    // A load that hardly differs is to look so: the axis reaches at least over what is worth a word.
    const double margin = std::max(0.08 * (high - low), 2 * load_kind.least);
    const std::string_view name = load_kind.is_share ? " (%)" : kind == kClock ? " (GHz)" : "";
    add_panel(std::string(load_kind.words) + std::string(name), (kind == kClock ? low - margin : 0) / unit,
              (high + margin) / unit);
  }

  const std::vector<Point>& points_;
};

Plot make_plot(const std::vector<Point>& points, const std::vector<Mark>& marks, const std::string& of_what) {
  Plot plot{"plot-loads", "Step time and the machines",
            fmt::format("{} in order of time. Below the step time what the machines went through beside the job in the "
                        "baseline blocks: a point for the mean of the machines, a bar from the least to the most of "
                        "them; of a run's step time from its fastest to its slowest block.",
                        of_what)};
  const Rows rows(points);
  if (rows.panels.size() == 1) plot.note = "What the machines went through was not recorded.";
  Json spec = load_spec(assets::kLoadsSpec);
  Json names = Json::array(), changes = Json::array();
  for (const Point& point : points) names.push_back(point.name);
  for (const Mark& mark : marks)
    changes.push_back({{"before", points[mark.first - 1].name}, {"first", points[mark.first].name}, {"tip", mark.tip}});
  spec["height"] = static_cast<int>(rows.panels.size()) * (kRowHeight + kRowGap) + 6;  // names stand below it
  set_signal(spec, "names", std::move(names));
  set_signal(spec, "row_height", kRowHeight);
  set_data(spec, "panels", rows.panels);
  set_data(spec, "points", rows.marks);
  set_data(spec, "changes", std::move(changes));
  plot.spec = std::move(spec);
  return plot;
}

}  // namespace

Plot loads_plot(const Comparison& comparison) {
  std::vector<std::pair<const RunPoint*, std::string_view>> runs;
  for (const RunPoint& run : comparison.before) runs.emplace_back(&run, "old");
  for (const RunPoint& run : comparison.after) runs.emplace_back(&run, "new");
  if (std::none_of(runs.begin(), runs.end(), [](const auto& run) { return run.first->started_utc.empty(); }))
    std::stable_sort(runs.begin(), runs.end(),
                     [](const auto& a, const auto& b) { return a.first->started_utc < b.first->started_utc; });
  std::vector<Point> points;
  for (const auto& [run, side] : runs)
    points.push_back({axis_name(points.size(), run->name), fmt::format("{}, {}", run->name, side), side, run->mean_ns,
                      run->low_ns, run->high_ns, run->load});
  Plot plot = make_plot(points, {}, "All runs");
  plot.legend_html = swatch("baseline", "old") + swatch("fault", "new");
  return plot;
}

Plot loads_plot(const Trend& trend) {
  std::vector<Point> points;
  std::vector<Mark> marks;
  for (std::size_t i = 0; i < trend.points.size(); ++i) {
    const TrendPoint& point = trend.points[i];
    if (marks.size() < trend.changes.size() && trend.changes[marks.size()].first == i)
      marks.push_back({i, trend.changes[marks.size()].text});
    const std::string block = fmt::format("block {}", point.block);
    points.push_back({trend.of_runs ? axis_name(i, point.run) : block, trend.of_runs ? point.run : block,
                      marks.size() % 2 == 0 ? "old" : "new", point.median_ns, point.low_ns, point.high_ns, point.load});
  }
  Plot plot = make_plot(points, marks, trend.of_runs ? "The runs" : "The run's baseline blocks");
  if (!marks.empty())
    plot.legend_html = swatch("window", "where steps changed") + swatch("baseline", "before the first change") +
                       swatch("fault", "after it; the colours take turns");
  return plot;
}

}  // namespace grit
