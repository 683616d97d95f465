#include "analysis/report/text/comparison_text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "analysis/facts/wording.hpp"
#include "analysis/report/text/line.hpp"
#include "harness/base/printable.hpp"
#include "harness/base/units.hpp"

namespace grit {
namespace {

constexpr std::size_t kShownDifferences = 12;

std::string shortened(const std::string& value) {
  constexpr std::size_t kLongest = 60;
  if (value.size() <= kLongest) return value;
  std::size_t end = kLongest;
  while (end > 0 && (static_cast<unsigned char>(value[end]) & 0xC0U) == 0x80U) --end;  // not inside of a character
  return value.substr(0, end) + "…";
}

std::string side_text(const std::vector<RunPoint>& points) {
  std::vector<double> means;
  int blocks = 0;
  for (const RunPoint& point : points) means.push_back(point.mean_ns), blocks += point.blocks;
  const auto [low, high] = std::minmax_element(means.begin(), means.end());
  if (points.size() == 1)
    return fmt::format("{}: {} a step (blocks {} .. {}, {} of them)", points[0].name,
                       format_duration(points[0].mean_ns), format_duration(points[0].low_ns),
                       format_duration(points[0].high_ns), blocks);
  return fmt::format("{} runs, {} .. {} a step, {} baseline blocks; from {} to {}", points.size(),
                     format_duration(*low), format_duration(*high), blocks, points.front().name, points.back().name);
}

std::string shift_text(const Shift& shift) {
  const std::string interval = fmt::format("{} .. {}", percent_number(shift.ci_low), percent(shift.ci_high));
  return fmt::format("{} ({} {})", signed_percent(shift.estimate),
                     shift.method == ShiftMethod::within_runs ? "within the runs" : "95 % CI", interval);
}

/// Those shown; else that nothing differs, and of how much.
std::string machine_lines(const std::vector<MachineShift>& machines, const std::vector<std::string>& node_names) {
  constexpr std::size_t kShownLoads = 6;
  std::string text;
  std::size_t shown = 0;
  for (const MachineShift& shift : machines)
    if (shift.shown && ++shown <= kShownLoads) text += line("machine", shift_text(shift, node_names));
  if (shown > kShownLoads)
    text += line("machine", fmt::format("{} more loads differ: --json has them", shown - kShownLoads));
  if (shown == 0 && !machines.empty())
    text += line("machine", fmt::format("no load is shown to differ, of {} looked at; the least likely by chance is {}",
                                        machines.size(), shift_text(machines.front(), node_names)));
  return text;
}

/// "  others 0.31, steal 0.02": what tells one run's machine from another's, where it is known.
std::string load_words(const MachineLoad& load) {
  std::string text;
  for (const auto& [kind, word] :
       {std::pair<std::size_t, const char*>{0, "others' CPUs"}, {1, "steal"}, {2, "CPU wait"}})
    if (!std::isnan(load[kind]))
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", word, load_text(kind, load[kind]));
  return text.empty() ? "" : "  (" + text + ")";
}

std::string difference_lines(const EnvironmentComparison& environment, const std::vector<std::string>& node_names) {
  std::string text;
  for (std::size_t i = 0; i < std::min(kShownDifferences, environment.differences.size()); ++i) {
    const EnvironmentDifference& one = environment.differences[i];
    text += line("differs",
                 fmt::format("{}: {}: {} → {} ({}{})", one.kind, one.what, shortened(one.before), shortened(one.after),
                             nodes_text(one, node_names), one.separates ? "" : "; varies within a side, too"));
  }
  if (environment.differences.size() > kShownDifferences)
    text += line("differs", fmt::format("in {} more facts, less suspicious: --json has them",
                                        environment.differences.size() - kShownDifferences));
  if (environment.differences.empty() && environment.nodes > 0)
    text += line("differs", "nothing that was recorded of the machines");
  if (!environment.unknown.empty())
    text += line("note", fmt::format("{} facts of the machines were recorded on one side only and cannot be compared",
                                     environment.unknown.size()));
  return text;
}

}  // namespace

std::string nodes_text(const EnvironmentDifference& difference, const std::vector<std::string>& node_names) {
  if (difference.all_nodes) return "all nodes";
  std::vector<std::string> names;
  constexpr std::size_t kNamed = 8;
  const std::size_t count = difference.nodes.size();
  for (std::size_t i = 0; i < std::min(kNamed, count); ++i) {
    const int node = difference.nodes[i];
    const auto index = static_cast<std::size_t>(node);
    names.push_back(index < node_names.size() && !node_names[index].empty() ? node_names[index]
                                                                            : fmt::format("node {}", node));
  }
  return fmt::format("{}{}", fmt::join(names, ", "), count > kNamed ? fmt::format(" and {} more", count - kNamed) : "");
}

std::string comparison_text(const Comparison& comparison, const std::filesystem::path& page) {
  std::string text = printable(fmt::format("compare: {}", to_string(comparison.change))) + "\n";
  if (!comparison.emulated.empty())
    text += line("emulated", emulated_text(comparison.emulated));
  text += "  " + printable(comparison.sentence) + ".\n";
  text += line("old", side_text(comparison.before));
  text += line("new", side_text(comparison.after));
  text += line("median", shift_text(comparison.median));
  if (comparison.under_fault)
    text += line("in faults", shift_text(*comparison.under_fault) + ", mean of the fault blocks");
  if (comparison.location) text += line("where", comparison.location->text);
  if (comparison.cost) text += line("cost", comparison.cost->text);
  text += machine_lines(comparison.machines, comparison.node_names);
  text += difference_lines(comparison.environment, comparison.node_names);
  for (const std::string& reason : comparison.reasons) text += line("note", reason);
  if (!page.empty()) text += line("page", page.string());
  return text;
}

std::string trend_text(const Trend& trend, const std::filesystem::path& page) {
  const auto answer = trend.exit_code == 0 ? "no change" : trend.exit_code == 1 ? "changed" : "inconclusive";
  std::string text = fmt::format("series: {}\n  {}.\n", answer, printable(trend.sentence));
  for (const TrendChange& change : trend.changes) {
    text += line("change", change.text);
    text += trend.of_runs ? difference_lines(change.environment, trend.node_names) : "";
  }
  std::size_t next = 0;
  for (std::size_t i = 0; i < trend.points.size(); ++i) {
    const TrendPoint& point = trend.points[i];
    const bool changed = next < trend.changes.size() && trend.changes[next].first == i;
    if (changed) ++next;
    text += line(changed ? "  →" : "", fmt::format("{:>10}  {}{}", format_duration(point.median_ns),
                                                   trend.of_runs ? point.run : fmt::format("block {}", point.block),
                                                   load_words(point.load.mean)));
  }
  for (const std::string& reason : trend.reasons) text += line("note", reason);
  if (!page.empty()) text += line("page", page.string());
  return text;
}

}  // namespace grit
