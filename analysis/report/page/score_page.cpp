#include "analysis/report/page/score_page.hpp"

#include <fmt/format.h>

#include "analysis/report/page/assets.hpp"
#include "analysis/report/page/html_writer.hpp"
#include "analysis/report/page/page.hpp"
#include "analysis/report/plots/score_plots.hpp"
#include "analysis/report/tables/score_matrix.hpp"
#include "analysis/report/tables/score_sections.hpp"
#include "analysis/report/tables/sections.hpp"

namespace grit {
namespace {

std::string matrix_section(const ScoreInput& input, const Scorecard& card) {
  return "<h2>What notices what</h2>\n" + score_matrix(input, card);
}

std::string visibility_section(const ScoreInput& input, const Scorecard& card, const std::vector<Plot>& plots) {
  if (plots.empty()) return "";
  std::string html =
      "<h2>From which size on is it found, and from which on does it hurt?</h2>\n<div class=\"small\">\n";
  for (const Plot& plot : plots) html += plot_section(plot);
  return html + "</div>\n" + visibility_table(input, card);
}

std::string co_firing_section(const ScoreInput& input, const Scorecard& card) {
  const std::string matrix = co_firing_matrix(input, card);
  if (matrix.empty()) return "";
  std::string html = "<h2>Which fire together</h2>\n" + matrix;
  for (const auto& [a, b] : card.co_firing.say_the_same)
    html += element(
        "p",
        fmt::format("{} and {} say the same: each found exactly what the other did.",
                    input.checks[static_cast<std::size_t>(a)].name, input.checks[static_cast<std::size_t>(b)].name),
        "note");
  return html +
         element("p", "Per cent of the injections that the row's check found which the column's found, too.", "note");
}

Result<std::string> render(const ScoreInput& input, const Scorecard& card, const std::optional<DemandResult>& demand) {
  const std::vector<Plot> plots = detection_plots(input, card);
  return make_page({.title = "Do the health checks catch it? " + input.origin.scenario,
                    .note = "Each interval alone holds in 95 %.",
                    .plots = plots,
                    .further_style = assets::kScoreStyle.text},
                   assets::kScorePage.text,
                   {{"headline", score_headline(input, card, demand)},
                    {"missed", missed_section(input, card)},
                    {"matrix", matrix_section(input, card)},
                    {"cover", cover_section(input, card)},
                    {"visibility", visibility_section(input, card, plots)},
                    {"co_firing", co_firing_section(input, card)},
                    {"unproven", not_run_section(input) + unproven_section(input, card)},
                    {"numbers", score_numbers(input, card)}});
}

}  // namespace

Result<std::string> render_score_html(const ScoreInput& input, const Scorecard& card,
                                      const std::optional<DemandResult>& demand) {
  try {
    return render(input, card, demand);
  } catch (const std::exception& error) {  // nlohmann::json's and fmt's, or an allocation that failed
    return internal_error(std::string("cannot make the page of the scorecard: ") + error.what());
  }
}

}  // namespace grit
