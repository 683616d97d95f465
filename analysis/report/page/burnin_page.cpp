#include "analysis/report/page/burnin_page.hpp"

#include <fmt/format.h>

#include "analysis/report/page/assets.hpp"
#include "analysis/report/page/html_writer.hpp"
#include "analysis/report/page/page.hpp"
#include "analysis/report/plots/burnin_plots.hpp"
#include "analysis/report/tables/burnin_tables.hpp"
#include "analysis/report/tables/burnin_words.hpp"
#include "analysis/report/tables/sections.hpp"

namespace grit {
namespace {

std::string plots_section(const std::vector<Plot>& plots, std::string_view title, std::string_view legend,
                          std::string_view css_class) {
  if (plots.empty()) return "";
  std::string html = element("h2", title) + "\n" + std::string(legend) + fmt::format("<div class=\"{}\">\n", css_class);
  for (const Plot& plot : plots) html += plot_section(plot);
  return html + "</div>\n";
}

constexpr std::string_view kFigureLegend =
    "<p class=\"legend\"><span class=\"key\"><span class=\"swatch baseline\"></span>nodes that nobody suspected</span> "
    "<span class=\"key\"><b class=\"sign-bad\">✚</b> bad</span> <span class=\"key\"><b class=\"sign-apart\">◆</b> "
    "set apart</span> <span class=\"key\"><b class=\"sign-unclear\">▲</b> not clear</span> <span class=\"key\"><b "
    "class=\"sign-good\">●</b> suspected, measured again and cleared</span></p>\n";

constexpr std::string_view kDriftLegend =
    "<p class=\"legend\"><span class=\"key\"><span class=\"swatch baseline\"></span>the middle of the nodes, each "
    "against "
    "its own first cycle</span> <span class=\"key\"><span class=\"swatch band\"></span>nine of ten nodes</span> <span "
    "class=\"key\"><span class=\"swatch fault\"></span>nodes that got worse beyond the fleet</span></p>\n";

/// What changed over the cycles of one that has several. Nobody is judged by it.
std::string drift_section(const BurninReport& report, const std::vector<Plot>& plots) {
  if (report.drift.empty()) return "";
  std::string words;
  for (const std::string& text : drift_texts(report)) words += element("li", text);
  words = words.empty() ? element("p", "Nothing drifted beyond noise and tolerance.") : "<ul>\n" + words + "</ul>\n";
  if (const std::string claim = drift_claim(report); !claim.empty())
    words += element("p", "Nobody is judged by this. " + claim, "note");
  return plots_section(plots, "Over the cycles", words + std::string(kDriftLegend), "small");
}

Result<std::string> render(const BurninReport& report) {
  constexpr std::size_t kSmallMatrixNodes = 16;
  std::vector<Plot> plots = burnin_figure_plots(report);
  const std::string figures = plots_section(plots, "How the nodes differ", kFigureLegend, "small");
  const std::vector<Plot> pairs = burnin_pair_plots(report);
  const std::string matrices =
      plots_section(pairs, "Links", "", report.nodes.size() <= kSmallMatrixNodes ? "small" : "large");
  const std::vector<Plot> drifts = burnin_drift_plots(report);
  const std::string drift = drift_section(report, drifts);
  for (const auto* more : {&pairs, &drifts}) plots.insert(plots.end(), more->begin(), more->end());
  return make_page({.title = burnin_sentence(report),
                    .note = "Each interval alone holds in 95 %.",
                    .plots = plots,
                    .further_style = assets::kBurninStyle.text},
                   assets::kBurninPage.text,
                   {{"headline", burnin_headline(report)},
                    {"kept_out", kept_out_section(report)},
                    {"grid", node_grid(report)},
                    {"figures", figures},
                    {"drift", drift},
                    {"links", matrices + worst_links(report)},
                    {"accused", accused_section(report)},
                    {"skipped", skipped_section(report)},
                    {"lost", lost_section(report)},
                    {"numbers", burnin_numbers(report)}});
}

}  // namespace

Result<std::string> render_burnin_html(const BurninReport& report) {
  try {
    return render(report);
  } catch (const std::exception& error) {  // nlohmann::json's and fmt's, or an allocation that failed
    return internal_error(std::string("cannot make the page of the burn-in: ") + error.what());
  }
}

}  // namespace grit
