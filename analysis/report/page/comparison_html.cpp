#include "analysis/report/page/comparison_html.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "analysis/facts/wording.hpp"
#include "analysis/report/page/assets.hpp"
#include "analysis/report/page/html_writer.hpp"
#include "analysis/report/page/machine_sections.hpp"
#include "analysis/report/page/page.hpp"
#include "analysis/report/plots/plot_spec.hpp"
#include "analysis/report/plots/plots_loads.hpp"
#include "analysis/report/run_data.hpp"
#include "analysis/report/tables/sections.hpp"
#include "harness/base/units.hpp"

namespace grit {
namespace {

std::string_view badge_class(Change change) {
  if (change == Change::none) return "badge good";
  return change == Change::inconclusive ? "badge unknown" : "badge bad";
}

std::string verdict_html(const Comparison& comparison) {
  std::string html = fmt::format("<h1>Compared with before {}</h1>\n",
                                 element("span", to_string(comparison.change), badge_class(comparison.change)));
  html += element("p", comparison.sentence + ".", "sentence");
  if (comparison.location) html += element("p", "Where: " + comparison.location->text + ".");
  if (comparison.cost) html += element("p", "What it costs: " + comparison.cost->text + ".");
  if (!comparison.reasons.empty()) {
    html += "<ul class=\"reasons\">";
    for (const std::string& reason : comparison.reasons) html += element("li", reason);
    html += "</ul>\n";
  }
  return html;
}

std::string interval_of(const Shift& shift) {
  return fmt::format("{} {} to {}", shift.method == ShiftMethod::within_runs ? "within the runs:" : "95 % CI",
                     signed_percent(shift.ci_low, Digits::tenths), signed_percent(shift.ci_high, Digits::tenths));
}

std::string figures_html(const Comparison& comparison) {
  std::string html = "<dl class=\"figures\">\n";
  const Shift& mean = comparison.mean;
  html += figure(signed_percent(mean.estimate, Digits::tenths), "mean step time", interval_of(mean));
  html += figure(signed_percent(comparison.median.estimate, Digits::tenths), "median step time",
                 interval_of(comparison.median));
  if (mean.method == ShiftMethod::within_runs)
    html += figure("none", "p value", "needs more than one run a side");
  else
    html += figure(fmt::format("{:.2g}", mean.p), "p value",
                   mean.method == ShiftMethod::permutation ? "exact permutation of the runs" : "t on the runs' logs");
  html += figure(fmt::format("{} + {}", comparison.before.size(), comparison.after.size()), "runs, old + new", "");
  html += figure(mean.between_runs ? percent(*mean.between_runs, Digits::tenths) : "not known", "between runs",
                 "standard deviation of runs of one side");
  return html + "</dl>\n";
}

std::string row_name(const RunPoint& point, std::string_view side, std::size_t index) {
  return fmt::format("{} {} · {}", side, index + 1, std::filesystem::path(point.name).filename().string());
}

Plot runs_plot(const Comparison& comparison) {
  Plot plot{
      "plot-runs", "The runs",
      "Time per step of each run's baseline blocks: a diamond for their mean, a bar from the fastest to the slowest "
      "block; dashed: the mean of each side. What counts is how far the diamonds of one side lie apart."};
  plot.legend_html = swatch("baseline", "old") + swatch("fault", "new");
  Json spec = load_spec(assets::kRunsSpec);
  const TimeUnit unit = unit_for(comparison.before.front().mean_ns);
  Json rows = Json::array(), runs = Json::array(), sides = Json::array();
  double low_ns = comparison.before.front().low_ns, high_ns = low_ns;
  for (const auto& [side, points] : {std::pair{"old", &comparison.before}, std::pair{"new", &comparison.after}}) {
    double log_sum = 0;
    for (std::size_t i = 0; i < points->size(); ++i) {
      const RunPoint& point = (*points)[i];
      log_sum += std::log(point.mean_ns);
      low_ns = std::min(low_ns, point.low_ns);
      high_ns = std::max(high_ns, point.high_ns);
      rows.push_back(row_name(point, side, i));
      runs.push_back(
          {{"row", rows.back()},
           {"side", side},
           {"mean", rounded(point.mean_ns / unit.ns)},
           {"low", rounded(point.low_ns / unit.ns)},
           {"high", rounded(point.high_ns / unit.ns)},
           {"tip", fmt::format("{}: {} a step, {} blocks from {} to {}", point.name, format_duration(point.mean_ns),
                               point.blocks, format_duration(point.low_ns), format_duration(point.high_ns))}});
    }
    const double mean_ns = std::exp(log_sum / static_cast<double>(points->size()));
    sides.push_back({{"side", side},
                     {"mean", rounded(mean_ns / unit.ns)},
                     {"tip", fmt::format("{}: {} a step", side, format_duration(mean_ns))}});
  }
  const double margin_ns = std::max(0.05 * (high_ns - low_ns), 1e-3 * high_ns);
  set_signal(spec, "x_domain", Json{(low_ns - margin_ns) / unit.ns, (high_ns + margin_ns) / unit.ns});
  set_signal(spec, "x_title", fmt::format("time per step ({})", unit.name));
  spec["height"] = 30 * rows.size() + 60;
  set_signal(spec, "rows", std::move(rows));
  set_data(spec, "runs", std::move(runs));
  set_data(spec, "sides", std::move(sides));
  plot.spec = std::move(spec);
  return plot;
}

double own_work_ns(const RankPhases& rank) {
  double sum = 0;
  for (std::size_t i = 0; i < kStepPhases.size(); ++i)
    if (i != kExposedComm) sum += rank.mean_ns[i];
  return sum;
}

/// The ranks to draw: all, or those whose own work changed most.
std::set<int> ranks_to_draw(const Comparison& comparison) {
  std::map<int, double> change_ns;
  for (const RankPhases& rank : comparison.phases_before) change_ns[rank.rank] -= own_work_ns(rank);
  for (const RankPhases& rank : comparison.phases_after) change_ns[rank.rank] += own_work_ns(rank);
  std::vector<std::pair<double, int>> order;
  for (const auto& [rank, change] : change_ns) order.emplace_back(-std::abs(change), rank);
  std::sort(order.begin(), order.end());
  if (order.size() > kMaxPlottedRanks) order.resize(kMaxPlottedRanks);
  std::set<int> ranks;
  for (const auto& [change, rank] : order) ranks.insert(rank);
  return ranks;
}

/// The rows of the phase plot; its two halves of a rank are called baseline and fault in the specification.
class PhaseRows {
 public:
  PhaseRows(const TimeUnit& unit, const std::set<int>& ranks) : unit_(unit), ranks_(ranks) {}

  void add(const Comparison& comparison, const std::vector<RankPhases>& phases, std::string_view half,
           std::string_view side) {
    for (const RankPhases& rank : phases) {
      if (!ranks_.contains(rank.rank)) continue;
      const std::string label = fmt::format("rank {} · {}", rank.rank, node_label(comparison.node_names, rank.node));
      labels[rank.rank] = label;
      double from_ns = 0;
      for (std::size_t i = 0; i < kStepPhases.size(); ++i) {
        if (rank.mean_ns[i] <= 0) continue;
        parts.push_back(
            {{"rank", label},
             {"kind", half},
             {"phase", kPhaseNames[i]},
             {"from", rounded(from_ns / unit_.ns)},
             {"to", rounded((from_ns + rank.mean_ns[i]) / unit_.ns)},
             {"tip", fmt::format("{}, {}: {} {}", label, side, kPhaseNames[i], format_duration(rank.mean_ns[i]))}});
        from_ns += rank.mean_ns[i];
      }
      totals.push_back({{"rank", label},
                        {"kind", half},
                        {"total", rounded(from_ns / unit_.ns)},
                        {"label", fmt::format("{} {}", side, format_duration(from_ns))}});
    }
  }

  Json parts = Json::array(), totals = Json::array();
  std::map<int, std::string> labels{};

 private:
  const TimeUnit& unit_;
  const std::set<int>& ranks_;
};

Plot phases_plot(const Comparison& comparison) {
  Plot plot{"plot-phases", "Where the time goes, by rank",
            "Mean time per step in each phase of the baseline blocks; for every rank the old runs above, the new ones "
            "below. A rank that became slow grows in its own phases; its peers grow in exposed communication."};
  plot.legend_html = phase_legend();
  if (comparison.phases_before.empty() || comparison.phases_after.empty()) {
    plot.missing = "No rank is in all of these runs.";
    return plot;
  }
  double longest_ns = 1;
  for (const auto* phases : {&comparison.phases_before, &comparison.phases_after})
    for (const RankPhases& rank : *phases)
      longest_ns = std::max(longest_ns, own_work_ns(rank) + rank.mean_ns[kExposedComm]);
  const TimeUnit unit = unit_for(longest_ns);
  const std::set<int> ranks = ranks_to_draw(comparison);
  if (ranks.size() < comparison.phases_after.size())
    plot.note = fmt::format("{} of {} ranks are drawn: those whose own work changed most.", ranks.size(),
                            comparison.phases_after.size());
  PhaseRows rows(unit, ranks);
  rows.add(comparison, comparison.phases_before, "baseline", "old");
  rows.add(comparison, comparison.phases_after, "fault", "new");
  Json labels = Json::array();
  for (const auto& [rank, label] : rows.labels) labels.push_back(label);
  Json spec = load_spec(assets::kPhasesSpec);
  spec["height"] = 46 * labels.size() + 50;
  set_signal(spec, "x_domain", Json{0.0, longest_ns * 1.3 / unit.ns});  // room for the totals
  set_signal(spec, "x_title", fmt::format("mean time per step ({})", unit.name));
  set_signal(spec, "ranks", std::move(labels));
  set_signal(spec, "phases", Json(kPhaseNames));
  set_data(spec, "parts", std::move(rows.parts));
  set_data(spec, "totals", std::move(rows.totals));
  plot.spec = std::move(spec);
  return plot;
}

std::string numbers_html(const Comparison& comparison) {
  HtmlTable runs("Runs, by their baseline blocks",
                 {"run", "side", "began (UTC)", "blocks", "mean", "median", "fastest block", "slowest block"});
  for (const auto& [side, points] : {std::pair{"old", &comparison.before}, std::pair{"new", &comparison.after}})
    for (const RunPoint& point : *points)
      runs.row({point.name, side, point.started_utc, Cell(std::to_string(point.blocks), "number"),
                Cell(format_duration(point.mean_ns), "number"), Cell(format_duration(point.median_ns), "number"),
                Cell(format_duration(point.low_ns), "number"), Cell(format_duration(point.high_ns), "number")});
  std::vector<std::string> headers{"rank", "node", "side"};
  headers.insert(headers.end(), kPhaseNames.begin(), kPhaseNames.end());
  HtmlTable phases("Mean phase durations by rank", headers);
  const std::set<int> drawn = ranks_to_draw(comparison);
  for (const auto& [side, ranks] :
       {std::pair{"old", &comparison.phases_before}, std::pair{"new", &comparison.phases_after}})
    for (const RankPhases& rank : *ranks) {
      if (!drawn.contains(rank.rank)) continue;
      std::vector<Cell> cells{std::to_string(rank.rank), node_label(comparison.node_names, rank.node), side};
      for (const double value_ns : rank.mean_ns)
        cells.emplace_back(value_ns > 0 ? format_duration(value_ns) : "0", "number");
      phases.row(cells);
    }
  const std::string which = drawn.size() < comparison.phases_after.size()
                                ? fmt::format("Phases of the {} of {} ranks whose own work changed most", drawn.size(),
                                              comparison.phases_after.size())
                                : "Phases by rank";
  return "<h2>The same in numbers</h2>\n" + runs.html() + details(which, phases.html());
}

Result<std::string> render(const Comparison& comparison) {
  const std::vector<Plot> plots{runs_plot(comparison), loads_plot(comparison), phases_plot(comparison)};
  std::string drawn;
  for (const Plot& plot : plots) drawn += plot_section(plot);
  return make_page({.title = fmt::format("grit compare: {}", to_string(comparison.change)),
                    .note = "Runs are compared by their baseline blocks, in which no fault is in force.",
                    .plots = plots},
                   assets::kComparisonPage.text,
                   {{"emulated", emulated_html(comparison.emulated)},
                    {"verdict", verdict_html(comparison)},
                    {"figures", figures_html(comparison)},
                    {"plots", drawn},
                    {"environment", machines_html(comparison.machines, comparison.node_names) +
                                        environment_html(comparison.environment, comparison.node_names)},
                    {"numbers", numbers_html(comparison)}});
}

}  // namespace

Result<std::string> render_comparison(const Comparison& comparison) {
  try {
    return render(comparison);
  } catch (const std::exception& error) {  // nlohmann::json's and fmt's, or an allocation that failed
    return internal_error(std::string("cannot make the comparison's page: ") + error.what());
  }
}

}  // namespace grit
