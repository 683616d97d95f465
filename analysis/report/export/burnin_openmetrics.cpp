#include <fmt/format.h>

#include <cmath>
#include <map>

#include "analysis/report/export/burnin_export.hpp"
#include "analysis/report/tables/burnin_words.hpp"
#include "harness/model/burnin_measures.hpp"

namespace grit {
namespace {

/// A label's value in quotes (OpenMetrics 1.0, "Escaping"): UTF-8, with backslash, quote and line feed escaped.
std::string label(std::string_view text) {
  std::string out = "\"";
  for (const char c : Json::parse(json_text(std::string(text))).get<std::string>()) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += ' ';  // Prometheus' parsers end a line there
    } else {
      if (c == '\\' || c == '"') out += '\\';
      out += c;
    }
  }
  return out + '"';
}

void add_family(std::string& text, std::string_view name, std::string_view help) {
  text += fmt::format("# TYPE {0} gauge\n# HELP {0} {1}\n", name, help);
}

void add_worse(std::string& text, const BurninNodeReport& node) {
  std::map<std::string_view, double> worse;  // of two findings of one measure the graver one: a series comes once
  for (const BurninFinding& finding : node.findings) {
    if (worse_text(finding).empty() || !std::isfinite(finding.worse)) continue;
    const auto [place, is_new] = worse.try_emplace(finding.measure, finding.worse);
    place->second = std::max(place->second, finding.worse);
  }
  for (const auto& [measure, value] : worse)
    text += fmt::format("grit_burnin_worse{{node={},measure={}}} {:.6g}\n", label(node.host), label(measure), value);
}

}  // namespace

std::string burnin_openmetrics(const BurninReport& report) {
  std::string text;
  add_family(text, "grit_burnin_complete", "1: the burn-in has come to its end; 0: it has not.");
  text += fmt::format("grit_burnin_complete {}\n", report.complete ? 1 : 0);
  add_family(text, "grit_burnin_node_state", "1 for the state that the node is in.");
  for (const BurninNodeReport& node : report.nodes)
    text +=
        fmt::format("grit_burnin_node_state{{node={},state={}}} 1\n", label(node.host), label(to_string(node.state)));
  add_family(text, "grit_burnin_figure", "The middle of the node's visits, in the unit that the label says.");
  for (const BurninNodeReport& node : report.nodes)
    for (const auto& [name, value] : node.figures) {
      const BurninMeasure* measure = find_burnin_measure(name);
      if (std::isfinite(value))
        text += fmt::format("grit_burnin_figure{{node={},measure={},unit={}}} {:.6g}\n", label(node.host), label(name),
                            label(measure == nullptr ? "" : measure->unit), value);
    }
  add_family(text, "grit_burnin_worse",
             "How much worse than its peers the node is where it was suspected, a fraction of their middle.");
  for (const BurninNodeReport& node : report.nodes) add_worse(text, node);
  return text + "# EOF\n";
}

}  // namespace grit
