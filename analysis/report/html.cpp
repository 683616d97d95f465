#include "analysis/report/html.hpp"

#include <fmt/format.h>

#include <array>

#include "analysis/report/assets.hpp"
#include "analysis/report/html_writer.hpp"
#include "analysis/report/plots.hpp"
#include "analysis/report/run_data.hpp"
#include "analysis/report/sections.hpp"

namespace grit {
namespace {

std::uint32_t hex_digit(char c) { return static_cast<std::uint32_t>(c >= 'a' ? c - 'a' + 10 : c - '0'); }

/// Base64 (RFC 4648) of bytes that are given in lower-case hexadecimal.
std::string base64_of_hex(std::string_view hex) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < hex.size(); i += 6) {  // six hex digits are three bytes are four base64 digits
    const std::string_view group = hex.substr(i, 6);
    std::uint32_t bits = 0;
    for (std::size_t j = 0; j < 6; ++j) bits = bits << 4 | (j < group.size() ? hex_digit(group[j]) : 0);
    const std::size_t digits = group.size() * 4 / 6 + (group.size() < 6 ? 1 : 0);
    for (std::size_t j = 0; j < 4; ++j) out += j < digits ? kDigits[bits >> (18 - 6 * j) & 63] : '=';
  }
  return out;
}

/// Nothing may be loaded from anywhere, and only our two scripts may run, known by their hashes: text from the run that
/// slipped through the escaping could not.
std::string content_security_policy() {
  return fmt::format(
      "default-src 'none'; script-src 'sha256-{}' 'sha256-{}'; style-src 'unsafe-inline'; base-uri 'none'; form-action "
      "'none'",
      base64_of_hex(assets::kVega.sha256_hex), base64_of_hex(assets::kScript.sha256_hex));
}

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

std::string plot_data(const std::vector<Plot>& plots) {
  Json specs = Json::object();
  for (const Plot& plot : plots)
    if (plot.spec) specs[plot.id] = *plot.spec;
  return json_for_script(specs);
}

std::string footer_html() {
  return fmt::format(
      "<p>Made by grit. The page is self-contained and loads nothing. Plots: Vega {} (BSD-3-Clause, © University of "
      "Washington Interactive Data Lab) with d3 and topojson (ISC and BSD-3-Clause, © Mike Bostock); the licences are "
      "in this "
      "page's source. On several machines, clocks were lined up at the ends of the steps' collectives, for these plots "
      "only.</p>\n",
      escape_html(assets::kVegaVersion));
}

struct Part {
  std::string_view name;
  std::string html;
};

/// Fills {{name}} in one pass over the page, so that braces in the data mean nothing.
Result<std::string> fill_page(const std::vector<Part>& parts) {
  std::string out;
  std::size_t size = assets::kPage.text.size();
  for (const Part& part : parts) size += part.html.size();
  out.reserve(size);
  std::string_view rest = assets::kPage.text;
  for (auto open = rest.find("{{"); open != std::string_view::npos; open = rest.find("{{")) {
    const auto close = rest.find("}}", open);
    const std::string_view name = rest.substr(open + 2, close - open - 2);
    const Part* found = nullptr;
    for (const Part& part : parts)
      if (part.name == name) found = &part;
    if (found == nullptr) return internal_error("the report page has an unknown part " + std::string(name));
    out += rest.substr(0, open);
    out += found->html;
    rest.remove_prefix(close + 2);
  }
  out += rest;
  return out;
}

Result<std::string> render(const ReportInput& input) {
  const RunData data = summarize(input);
  GRIT_TRY(const std::vector<Plot> plots, make_plots(input, data));
  const std::string name = input.plan.scenario_name.empty() ? "run" : input.plan.scenario_name;
  return fill_page({{"policy", content_security_policy()},
                    {"title", escape_html(name + ": " + std::string(to_string(input.verdict.kind)))},
                    {"style", std::string(assets::kStyle.text)},
                    {"emulated", escape_html(emulation_sentence(input.plan, input.verdict))},
                    {"verdict", verdict_section(input, data)},
                    {"figures", figures_section(input, data)},
                    {"expectations", expectations_section(input.verdict)},
                    {"plots", plots_html(plots)},
                    {"numbers", numbers_section(input, data)},
                    {"evidence", evidence_section(input, data)},
                    {"checks", checks_section(input, data)},
                    {"incidents", incidents_section(input, data)},
                    {"environment", environment_section(input)},
                    {"rerun", rerun_section(input)},
                    {"footer", footer_html()},
                    {"data", plot_data(plots)},
                    {"vega", std::string(assets::kVega.text)},
                    {"script", std::string(assets::kScript.text)}});
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
