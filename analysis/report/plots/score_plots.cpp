#include "analysis/report/plots/score_plots.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/report/page/html_writer.hpp"
#include "analysis/report/plots/plot_spec.hpp"
#include "analysis/report/tables/score_words.hpp"
#include "analysis/stats/proportions.hpp"

namespace grit {
namespace {

/// The series' checks, those that find most first.
std::vector<const Visibility*> drawn_in(const Scorecard& card, int series) {
  std::vector<const Visibility*> all;
  for (const Visibility& one : card.visibilities)
    if (one.series == series) all.push_back(&one);
  const auto found = [](const Visibility* one) {
    int sum = 0;
    for (const DoseHits& hits : one->hits) sum += hits.found;
    return sum;
  };
  std::stable_sort(all.begin(), all.end(),
                   [&](const Visibility* a, const Visibility* b) { return found(a) > found(b); });
  if (all.size() > kDetectionLines) all.resize(kDetectionLines);
  return all;
}

Plot plot_of(const ScoreInput& input, const Scorecard& card, std::size_t index) {
  const DoseSeries& series = card.series[index];
  Plot plot{fmt::format("plot-detection-{}", index), series_name(series), ""};
  const auto drawn = drawn_in(card, static_cast<int>(index));
  if (drawn.empty()) {
    plot.missing = "No check is credited for it at any size.";
    return plot;
  }
  Json points = Json::array(), curves = Json::array(), hurts = Json::array();
  for (std::size_t color = 0; color < drawn.size(); ++color) {
    const std::string& name = input.checks[static_cast<std::size_t>(drawn[color]->check)].name;
    const double beside = 3.0 * (static_cast<double>(color) - (static_cast<double>(drawn.size()) - 1) / 2);
    for (const DoseHits& hits : drawn[color]->hits) {
      const Interval interval = clopper_pearson(hits.found, hits.of);
      points.push_back(
          {{"dose", hits.dose},
           {"share", static_cast<double>(hits.found) / hits.of},
           {"low", rounded(interval.low)},
           {"high", rounded(interval.high)},
           {"color", color},
           {"beside", beside},
           {"tip", fmt::format("{} at {}: {} of {}", name, dose_text(input, series, hits.dose), hits.found, hits.of)}});
    }
    for (const auto& [dose, share] : drawn[color]->curve.points)
      curves.push_back({{"dose", rounded(dose)}, {"share", rounded(share)}, {"color", color}});
    plot.legend_html += swatch(fmt::format("phase{}", color), name);
  }
  if (series.hurts_from) {
    hurts.push_back({{"dose", *series.hurts_from},
                     {"tip", "steps are 5 % longer from here on: " + harm_threshold_text(input, series)}});
    plot.legend_html += swatch("window", "steps 5 % longer from here on");
  }
  Json spec = load_spec(assets::kDetectionSpec);
  set_data(spec, "points", points);
  set_data(spec, "curves", curves);
  set_data(spec, "hurts", hurts);
  constexpr double kMargin = 1.15;
  set_signal(spec, "x_domain", Json{series.scale.from / kMargin, series.scale.to * kMargin});
  const bool share = series.unit == "share";
  set_signal(spec, "x_title",
             series.unit.empty() || share ? series.fault : fmt::format("{} ({})", series.fault, series.unit));
  set_signal(spec, "x_format", share ? "~%" : "~s");
  named(spec.at("scales"), "x")["reverse"] = !series.scale.harm_grows;
  plot.spec = std::move(spec);
  return plot;
}

}  // namespace

std::vector<Plot> detection_plots(const ScoreInput& input, const Scorecard& card) {
  std::vector<Plot> plots;
  for (std::size_t i = 0; i < card.series.size(); ++i) plots.push_back(plot_of(input, card, i));
  return plots;
}

}  // namespace grit
