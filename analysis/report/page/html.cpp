#include "analysis/report/page/html.hpp"

#include "analysis/report/page/assets.hpp"
#include "analysis/report/page/html_writer.hpp"
#include "analysis/report/page/page.hpp"
#include "analysis/report/plots/plots.hpp"
#include "analysis/report/plots/plots_culprit.hpp"
#include "analysis/report/run_data.hpp"
#include "analysis/report/tables/sections.hpp"

namespace grit {
namespace {

/// Plots that belong together share a row where the screen is wide enough.
std::string plots_html(const std::vector<Plot>& plots) {
  std::string html;
  for (const Plot& plot : plots) {
    if (plot.id == "plot-pairs") html += "<div class=\"beside\">\n";
    html += plot_section(plot);
    if (plot.id == "plot-effects") html += "</div>\n";
  }
  return html;
}

constexpr std::string_view kClockNote =
    "On several machines, clocks were lined up at the ends of the steps' collectives, for these plots only.";

Result<std::string> render(const ReportInput& input) {
  const RunData data = summarize(input);
  GRIT_TRY(std::vector<Plot> plots, make_plots(input, data));
  GRIT_TRY(const std::vector<Plot> of_culprit, culprit_plots(input));
  const std::string plots_part = plots_html(plots);
  plots.insert(plots.end(), of_culprit.begin(), of_culprit.end());
  const std::string name = input.plan.scenario_name.empty() ? "run" : input.plan.scenario_name;
  return make_page(
      {.title = name + ": " + std::string(to_string(input.verdict.kind)), .note = kClockNote, .plots = plots},
      assets::kPage.text,
      {{"emulated", escape_html(emulation_sentence(input.plan, input.verdict))},
       {"verdict", verdict_section(input, data)},
       {"figures", figures_section(input, data)},
       {"restarts", restarts_section(input.verdict)},
       {"expectations", expectations_section(input.verdict)},
       {"plots", plots_part},
       {"culprit", culprit_section(input, of_culprit)},
       {"mesh", mesh_section(input.plan)},
       {"numbers", numbers_section(input, data)},
       {"evidence", evidence_section(input, data)},
       {"checks", checks_section(input, data)},
       {"incidents", incidents_section(input, data)},
       {"environment", environment_section(input)},
       {"rerun", rerun_section(input)}});
}

}  // namespace

Result<std::string> render_html(const ReportInput& input) {
  try {
    return render(input);
  } catch (const std::exception& error) {  // nlohmann::json's and fmt's, or an allocation that failed
    return internal_error(std::string("cannot make the report page: ") + error.what());
  }
}

}  // namespace grit
