#include "analysis/report/page/page.hpp"

#include <fmt/format.h>

#include "analysis/facts/wording.hpp"
#include "analysis/report/page/assets.hpp"
#include "analysis/report/page/html_writer.hpp"

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

std::string content_security_policy() {
  return fmt::format(
      "default-src 'none'; script-src 'sha256-{}' 'sha256-{}'; style-src 'unsafe-inline'; base-uri 'none'; form-action "
      "'none'",
      base64_of_hex(assets::kVega.sha256_hex), base64_of_hex(assets::kScript.sha256_hex));
}

/// The plots' specifications by their elements, for the page's script.
std::string plot_data(const std::vector<Plot>& plots) {
  Json specs = Json::object();
  for (const Plot& plot : plots)
    if (plot.spec) specs[plot.id] = *plot.spec;
  return json_for_script(specs);
}

/// Who made the page, and of what.
std::string footer_html(std::string_view note) {
  return fmt::format(
      "<p>Made by grit. The page is self-contained and loads nothing. Plots: Vega {} (BSD-3-Clause, © University of "
      "Washington Interactive Data Lab) with d3 and topojson (ISC and BSD-3-Clause, © Mike Bostock); the licences are "
      "in this page's source. {}</p>\n",
      escape_html(assets::kVegaVersion), escape_html(note));
}

Result<std::string> fill_page(std::string_view page, const std::vector<PagePart>& parts) {
  std::string out;
  std::size_t size = page.size();
  for (const PagePart& part : parts) size += part.html.size();
  out.reserve(size);
  std::string_view rest = page;
  for (auto open = rest.find("{{"); open != std::string_view::npos; open = rest.find("{{")) {
    const auto close = rest.find("}}", open);
    const std::string_view name = rest.substr(open + 2, close - open - 2);
    const PagePart* found = nullptr;
    for (const PagePart& part : parts)
      if (part.name == name) found = &part;
    if (found == nullptr) return internal_error("the report page has an unknown part " + std::string(name));
    out += rest.substr(0, open);
    out += found->html;
    rest.remove_prefix(close + 2);
  }
  out += rest;
  return out;
}

}  // namespace

std::string emulated_html(const std::vector<std::string>& emulated) {
  if (emulated.empty()) return "";
  return element("p", fmt::format("Emulated: {}.", emulated_text(emulated)), "emulated") +
         "\n";
}

Result<std::string> make_page(const PageFrame& frame, std::string_view main, const std::vector<PagePart>& parts) {
  GRIT_TRY(std::string filled, fill_page(main, parts));
  return fill_page(assets::kFrame.text, {{"policy", content_security_policy()},
                                         {"title", escape_html(frame.title)},
                                         {"style", std::string(assets::kStyle.text)},
                                         {"further_style", std::string(frame.further_style)},
                                         {"main", std::move(filled)},
                                         {"footer", footer_html(frame.note)},
                                         {"data", plot_data(frame.plots)},
                                         {"vega", std::string(assets::kVega.text)},
                                         {"script", std::string(assets::kScript.text)}});
}

}  // namespace grit
