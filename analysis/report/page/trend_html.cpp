#include "analysis/report/page/trend_html.hpp"

#include <fmt/format.h>

#include <cmath>

#include "analysis/facts/wording.hpp"
#include "analysis/report/page/assets.hpp"
#include "analysis/report/page/html_writer.hpp"
#include "analysis/report/page/machine_sections.hpp"
#include "analysis/report/page/page.hpp"
#include "analysis/report/plots/plots_loads.hpp"
#include "analysis/report/tables/sections.hpp"
#include "harness/base/units.hpp"

namespace grit {
namespace {

std::string_view answer(const Trend& trend) {
  return trend.exit_code == 0 ? "no change" : trend.exit_code == 1 ? "changed" : "inconclusive";
}

std::string_view badge_class(const Trend& trend) {
  return trend.exit_code == 0 ? "badge good" : trend.exit_code == 1 ? "badge bad" : "badge unknown";
}

std::string place_name(const Trend& trend, std::size_t place) {
  const TrendPoint& point = trend.points[place];
  return trend.of_runs ? point.run : fmt::format("block {}", point.block);
}

std::string list(const std::vector<std::string>& texts) {
  if (texts.empty()) return "";
  std::string html = "<ul class=\"reasons\">";
  for (const std::string& text : texts) html += element("li", text);
  return html + "</ul>\n";
}

std::string verdict_html(const Trend& trend) {
  std::vector<std::string> notes;
  for (const TrendChange& change : trend.changes) notes.push_back(change.text);
  notes.insert(notes.end(), trend.reasons.begin(), trend.reasons.end());
  return fmt::format("<h1>In the course of the {} {}</h1>\n", trend.of_runs ? "runs" : "blocks",
                     element("span", answer(trend), badge_class(trend))) +
         element("p", trend.sentence + ".", "sentence") + list(notes);
}

std::string figures_html(const Trend& trend) {
  std::string html = "<dl class=\"figures\">\n";
  for (const TrendChange& change : trend.changes)
    html += figure(signed_percent(change.shift, Digits::tenths),
                   "median step time from " + place_name(trend, change.first) + " on", p_text(change.p));
  html += figure(std::to_string(trend.points.size()), trend.of_runs ? "runs" : "baseline blocks", "");
  html += figure("±" + percent(trend.tolerance), "counts as no change", "");
  return html + "</dl>\n";
}

std::string machines_of_changes(const Trend& trend) {
  std::string html;
  for (const TrendChange& change : trend.changes)
    if (trend.of_runs)
      html += element("h2", "Before " + place_name(trend, change.first) + " and from it on") +
              machines_html(change.machines, trend.node_names) + environment_html(change.environment, trend.node_names);
  return html;
}

std::string numbers_html(const Trend& trend) {
  std::vector<std::string> headers{trend.of_runs ? "run" : "block", "began (UTC)", "median step"};
  std::vector<std::size_t> known;
  for (std::size_t kind = 0; kind < kLoadKinds.size(); ++kind)
    for (const TrendPoint& point : trend.points)
      if (!std::isnan(point.load.mean[kind])) {
        known.push_back(kind);
        headers.emplace_back(kLoadKinds[kind].words);
        break;
      }
  HtmlTable table("In order of time; loads are means over the machines", headers);
  for (std::size_t i = 0; i < trend.points.size(); ++i) {
    const TrendPoint& point = trend.points[i];
    std::vector<Cell> cells{place_name(trend, i), point.started_utc, Cell(format_duration(point.median_ns), "number")};
    for (const std::size_t kind : known) cells.emplace_back(load_text(kind, point.load.mean[kind]), "number");
    table.row(cells);
  }
  return "<h2>The same in numbers</h2>\n" + table.html();
}

Result<std::string> render(const Trend& trend) {
  const std::vector<Plot> plots{loads_plot(trend)};
  return make_page({.title = fmt::format("grit compare --series: {}", answer(trend)),
                    .note = "Only baseline blocks count, in which no fault is in force.",
                    .plots = plots},
                   assets::kComparisonPage.text,
                   {{"emulated", emulated_html(trend.emulated)},
                    {"verdict", verdict_html(trend)},
                    {"figures", figures_html(trend)},
                    {"plots", plot_section(plots.front())},
                    {"environment", machines_of_changes(trend)},
                    {"numbers", numbers_html(trend)}});
}

}  // namespace

Result<std::string> render_trend(const Trend& trend) {
  try {
    return render(trend);
  } catch (const std::exception& error) {  // nlohmann::json's and fmt's, or an allocation that failed
    return internal_error(std::string("cannot make the page of the series: ") + error.what());
  }
}

}  // namespace grit
