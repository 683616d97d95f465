#include "analysis/report/page/series_page.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "analysis/facts/wording.hpp"
#include "analysis/report/page/assets.hpp"
#include "analysis/report/page/html_writer.hpp"
#include "analysis/report/page/page.hpp"
#include "analysis/report/plots/plot_spec.hpp"
#include "analysis/report/tables/sections.hpp"
#include "analysis/series/search.hpp"
#include "harness/base/shell_words.hpp"

namespace grit {
namespace {

/// How the doses' axis is labelled: Vega's SI prefixes on the unit itself.
struct DoseAxis {
  double base = 1;  // base units in what the axis counts
  std::string unit{};
  std::string format = "~s";
};

DoseAxis axis_of(Unit unit) {
  switch (unit) {
    case Unit::bits_per_s:
      return {1, "bit/s"};
    case Unit::time_ns:
      return {1e9, "s"};
    case Unit::bytes:
      return {1, "B"};
    case Unit::flops_per_s:
      return {1, "FLOP/s"};
    case Unit::fraction:
      return {1, "", "~%"};
    default:
      return {1, "", ".4~g"};
  }
}

class DosePlot {
 public:
  DosePlot(const Series& series, const std::optional<Threshold>& threshold)
      : series_(series), threshold_(threshold), axis_(axis_of(series.search.unit)) {}

  Plot make() {
    Plot plot{
        "plot-dose", "The response at each dose",
        "Each point is a trial: time per step under the fault over that without, with its 95 % confidence interval. A "
        "cross is a trial that ended early or in which a check failed."};
    plot.legend_html =
        R"(<span class="key"><span class="swatch fault"></span>a trial</span> <span class="key"><span class="swatch baseline"></span>threshold and its 90 % interval</span> <span class="key"><span class="swatch muted"></span>fitted line</span>)";
    const Json trials = trial_points();
    if (trials.empty()) {
      plot.missing = "No trial has a result yet.";
      return plot;
    }
    const Json curve = curve_points(), band = threshold_band();
    Json spec = load_spec(assets::kDoseSpec);
    set_data(spec, "trials", trials);
    set_data(spec, "curve", curve);
    set_data(spec, "band", band);
    const bool linear = series_.search.linear;
    named(spec.at("scales"), "x")["type"] = linear ? "linear" : "log";
    named(spec.at("scales"), "y")["type"] = high_ > kLogAxisRatio * low_ ? "log" : "linear";
    const double margin = linear ? (series_.search.to - series_.search.from) * 0.03 : 1.06;
    const double from = linear ? series_.search.from - margin : series_.search.from / margin;
    const double to = linear ? series_.search.to + margin : series_.search.to * margin;
    set_signal(spec, "x_domain", Json{from / axis_.base, to / axis_.base});
    set_signal(spec, "y_domain", Json{low_ * 0.95, high_ * 1.05});
    set_signal(
        spec, "x_title",
        series_.search.option + (axis_.unit.empty() ? "" : " (" + axis_.unit + ")") + (linear ? "" : ", logarithmic"));
    set_signal(spec, "x_format", axis_.format);
    plot.spec = std::move(spec);
    return plot;
  }

 private:
  static constexpr double kLogAxisRatio = 3;

  double include(double ratio) {
    low_ = std::min(low_, ratio), high_ = std::max(high_, ratio);
    return ratio;
  }

  Json trial_points() {
    Json points = Json::array();
    const auto ended_at = escalation_of(series_).ended_at;
    for (const Trial& trial : series_.trials) {
      if (!trial.dose || !trial.result) continue;
      const TrialResult& result = *trial.result;
      const bool measured = result.slowdown.has_value();
      points.push_back({{"dose", *trial.dose / axis_.base},
                        {"ratio", include(measured ? 1 + *result.slowdown : 1)},
                        {"low", include(measured ? 1 + result.ci_low : 1)},
                        {"high", include(measured ? 1 + result.ci_high : 1)},
                        {"alive", result.outcome == "completed" && trial.dose != ended_at},
                        {"tip", trial_line(series_, trial)}});
    }
    return points;
  }

  Json curve_points() {
    Json points = Json::array();
    if (!threshold_) return points;
    for (const auto& [dose, slowdown] : threshold_->curve)
      points.push_back({{"dose", dose / axis_.base}, {"ratio", include(1 + slowdown)}});
    return points;
  }

  [[nodiscard]] Json threshold_band() const {
    Json band = Json::array();
    if (!threshold_ || !threshold_->found) return band;
    const auto text = [&](double dose) { return rounded_dose_text(series_.search, dose); };
    band.push_back({{"dose", threshold_->dose / axis_.base},
                    {"low", threshold_->interval.low / axis_.base},
                    {"high", threshold_->interval.high / axis_.base},
                    {"tip", fmt::format("threshold {}, 90 % interval {} .. {}", text(threshold_->dose),
                                        text(threshold_->interval.low), text(threshold_->interval.high))}});
    return band;
  }

  const Series& series_;
  const std::optional<Threshold>& threshold_;
  DoseAxis axis_;
  double low_ = 1, high_ = 1.05;
};

std::string figures(const Series& series, const Verdict& verdict, const std::optional<Threshold>& threshold) {
  const auto text = [&](double dose) { return rounded_dose_text(series.search, dose); };
  std::string html = "<dl class=\"figures\">\n";
  if (threshold && threshold->found)
    html += figure(text(threshold->dose), "threshold of " + series.search.option,
                   fmt::format("90 % interval {} to {}; harm {} with it", text(threshold->interval.low),
                               text(threshold->interval.high), threshold->harm_grows ? "grows" : "falls"));
  if (threshold && threshold->knee)
    html += figure(text(*threshold->knee), "steps begin to slow down", "about, by the corner of the fitted line");
  if (threshold && threshold->last_alive)
    html += figure(text(*threshold->last_alive), "last dose with everything alive",
                   threshold->ended_at ? "at " + text(*threshold->ended_at) + " not any more" : "nothing failed");
  html += figure(std::to_string(series.trials.size()), "trials", fmt::format("of at most {}", series.search.trials));
  if (threshold && threshold->sweep_trials > 0)
    html += figure(std::to_string(threshold->sweep_trials), "trials of a sweep as fine",
                   "over the whole range, in steps as wide as the interval");
  if (verdict.baseline_step_ns > 0)
    html += figure(format_duration(verdict.baseline_step_ns), "baseline step time", "median over the trials");
  return html + "</dl>\n";
}

Cell verdict_cell(const TrialResult& result) {
  std::string text(to_string(result.verdict));
  std::replace(text.begin(), text.end(), '_', ' ');
  return {text, result.verdict == VerdictKind::reproduced       ? "good"
                : result.verdict == VerdictKind::not_reproduced ? "bad"
                                                                : "unknown"};
}

std::string trial_table(const Series& series) {
  HtmlTable table("Trials, in the order in which they ran", {"trial", "with", "why", "slowdown", "95 % CI", "outcome",
                                                             "verdict", "checks that failed", "culprit"});
  for (const Trial& trial : series.trials) {
    Cell number(std::to_string(trial.number));
    number.href = trial_directory(trial.number) + "/report.html";
    if (!trial.result) {
      table.row({number, trial_subject(series, trial), trial.why, "", "", "no result", "", "", ""});
      continue;
    }
    const TrialResult& result = *trial.result;
    if (result.outcome == "not_planned" || !result.assumed.empty()) number.href.clear();
    table.row({number, trial_subject(series, trial), trial.why,
               Cell(result.slowdown ? signed_percent(*result.slowdown, Digits::tenths) : "", "number"),
               Cell(result.slowdown ? signed_percent(result.ci_low, Digits::tenths) + " to " +
                                          signed_percent(result.ci_high, Digits::tenths)
                                    : "",
                    "number"),
               Cell(result.outcome, result.outcome == "completed" ? "" : "bad"), verdict_cell(result),
               fmt::format("{}", fmt::join(result.failed_checks, ", ")), result.culprit});
  }
  return "<h2>Trials</h2>\n" + table.html();
}

std::string rerun(const Series& series) {
  return "<h2>Again</h2>\n" +
         element("p", fmt::format("{} --seed {}", shell_command(series.command_line), series.seed), "command");
}

Result<std::string> render(const Series& series, const Verdict& verdict) {
  const auto threshold = threshold_of(series);
  // What the sections of a run's page take; how a trial ended is said by the sentence and the table.
  ReportInput input;
  input.plan.scenario_name = series.scenario;
  input.plan.summary = series.summary;
  input.plan.topology.local_cluster = series.local_cluster;
  input.plan.topology.nodes.resize(static_cast<std::size_t>(series.nodes));
  input.verdict = verdict;
  input.verdict.outcome = "completed";
  std::vector<Plot> plots;
  if (threshold) plots.push_back(DosePlot(series, threshold).make());
  std::string plots_html;
  for (const Plot& plot : plots) plots_html += plot_section(plot);
  return make_page({.title = series.scenario + ": " + std::string(to_string(verdict.kind)),
                    .note = "Every trial has a report of its own.",
                    .plots = plots},
                   assets::kPage.text,
                   {{"emulated", escape_html(emulation_sentence(input.plan, verdict))},
                    {"verdict", verdict_section(input, {})},
                    {"figures", figures(series, verdict, threshold)},
                    {"restarts", ""},
                    {"expectations", expectations_section(verdict)},
                    {"plots", plots_html},
                    {"culprit", ""},
                    {"mesh", ""},
                    {"numbers", trial_table(series)},
                    {"evidence", ""},
                    {"checks", ""},
                    {"incidents", ""},
                    {"environment", ""},
                    {"rerun", rerun(series)}});
}

}  // namespace

Result<std::string> render_series_html(const Series& series, const Verdict& verdict) {
  try {
    return render(series, verdict);
  } catch (const std::exception& error) {  // nlohmann::json's and fmt's, or an allocation that failed
    return internal_error(std::string("cannot make the report page of the series: ") + error.what());
  }
}

}  // namespace grit
