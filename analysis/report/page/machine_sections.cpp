#include "analysis/report/page/machine_sections.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "analysis/report/page/html_writer.hpp"
#include "analysis/report/text/comparison_text.hpp"

namespace grit {
namespace {

constexpr std::size_t kMostDifferences = 200;  // of two days of thousands of nodes there can be any number

}  // namespace

std::string node_label(const std::vector<std::string>& node_names, int node) {
  const auto index = static_cast<std::size_t>(node);
  const bool named = index < node_names.size() && !node_names[index].empty();
  return named ? node_names[index] : fmt::format("node {}", node);
}

std::string machines_html(std::span<const MachineShift> machines, const std::vector<std::string>& node_names) {
  constexpr std::size_t kMostRows = 64;
  if (machines.empty()) return "";
  HtmlTable table("What they went through during the baseline blocks; shown to differ first",
                  {"machine", "load", "old", "new", "p", ""});
  for (std::size_t i = 0; i < std::min(kMostRows, machines.size()); ++i) {
    const MachineShift& shift = machines[i];
    table.row({node_label(node_names, shift.node), std::string(kLoadKinds[shift.kind].words),
               Cell(load_text(shift.kind, shift.before), "number"), Cell(load_text(shift.kind, shift.after), "number"),
               Cell(fmt::format("{:.2g}", shift.p), "number"), shift.shown ? "differs" : ""});
  }
  std::string html = "<h2>The machines' other load</h2>\n" + table.html();
  if (machines.size() > kMostRows)
    html += element("p", fmt::format("{} more: --json has them all.", machines.size() - kMostRows));
  return html;
}

std::string environment_html(const EnvironmentComparison& environment, const std::vector<std::string>& node_names) {
  std::string html = "<h2>How the machines differ</h2>\n";
  if (environment.differences.empty()) {
    html += element("p",
                    environment.nodes > 0 ? "In nothing that was recorded of them."
                                          : "Not known: the runs hold no description of the machines (env/).",
                    "missing");
  } else {
    HtmlTable table("The most suspicious first; the order is a judgement by kind, not a measurement",
                    {"what", "kind", "old", "new", "nodes", "why it is where it is"});
    const std::size_t shown = std::min(kMostDifferences, environment.differences.size());
    for (const EnvironmentDifference& one : std::span(environment.differences).first(shown))
      table.row({one.what, one.kind, one.before, one.after, nodes_text(one, node_names),
                 one.why + (one.separates ? "" : "; but it varies within one side, too")});
    html += table.html();
    if (shown < environment.differences.size())
      html += element("p", fmt::format("{} more, less suspicious: grit compare --json has them all.",
                                       environment.differences.size() - shown));
  }
  if (!environment.unknown.empty()) {
    const std::size_t named = std::min(kMostDifferences, environment.unknown.size());
    html += details(fmt::format("{} facts were recorded on one side only", environment.unknown.size()),
                    element("p", fmt::format("{}{}", fmt::join(std::span(environment.unknown).first(named), ", "),
                                             named < environment.unknown.size() ? " and more" : "")));
  }
  return html;
}

}  // namespace grit
