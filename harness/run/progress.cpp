#include "harness/run/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "harness/base/clock.hpp"
#include "harness/base/files.hpp"
#include "harness/base/units.hpp"

namespace grit {
namespace {

constexpr std::int64_t kPlainInterval_ns = 5 * kNsPerS;

/// "link_flap on node1": what this block will do to the cluster.
std::string faults_of(const Plan& plan, const Block& block) {
  if (!has_faults(block.kind)) return std::string(to_string(block.kind));
  if (plan.faults.empty()) return "no fault";
  std::set<std::string> texts;
  for (const PlannedFault& fault : plan.faults)
    texts.insert(
        fmt::format("{} on {}", fault.name, plan.topology.nodes.at(static_cast<std::size_t>(fault.node)).name));
  if (texts.size() > 3) return fmt::format("{} faults", texts.size());
  return fmt::format("{}", fmt::join(texts, ", "));
}

}  // namespace

ProgressStyle progress_style_from_environment() {
  const char* value = std::getenv("GRIT_PROGRESS");
  const std::string_view style = value == nullptr ? "plain" : value;
  if (style == "off") return ProgressStyle::off;
  return style == "terminal" ? ProgressStyle::terminal : ProgressStyle::plain;
}

ProgressLine::ProgressLine(const Plan& plan, ProgressStyle style)
    : plan_(plan), style_(style), started_ns_(monotonic_ns()) {}

void ProgressLine::write(const std::string& text) {
  const std::string line = style_ == ProgressStyle::terminal ? "\r\033[K" + text : "grit: " + text + "\n";
  // A terminal that went away must not end the run.
  if (auto written = write_all(STDERR_FILENO, line); !written) style_ = ProgressStyle::off;
  last_written_ns_ = monotonic_ns();
}

void ProgressLine::block(const Block& block, double step_ns) {
  const std::int64_t now_ns = monotonic_ns();
  const bool due = style_ == ProgressStyle::terminal || now_ns - last_written_ns_ >= kPlainInterval_ns;
  if (style_ == ProgressStyle::off || !due) return;
  std::string text = fmt::format("{}  block {}/{}", plan_.scenario_name, block.index + 1, plan_.blocks.size());
  const auto looks = looks_of(plan_.design);
  const auto next = std::upper_bound(looks.begin(), looks.end() - 1, block.pair);  // pairs count from 0
  if (block.pair >= 0) text += fmt::format("  pair {}/{}", block.pair + 1, *next);
  text += "  " + faults_of(plan_, block);
  if (step_ns > 0) text += "  step " + format_duration(step_ns);
  if (block.index > 1) {
    const double per_block_ns = static_cast<double>(now_ns - started_ns_) / block.index;
    const auto until =
        std::count_if(plan_.blocks.begin(), plan_.blocks.end(), [&](const Block& other) { return other.pair < *next; });
    const double left_ns = per_block_ns * static_cast<double>(until - block.index);
    const bool last = next + 1 == looks.end();
    text += fmt::format("  {:.0f} s {}", left_ns / static_cast<double>(kNsPerS), last ? "left" : "to the next look");
  }
  write(text);
}

void ProgressLine::end() {
  if (style_ == ProgressStyle::terminal) write("");
}

}  // namespace grit
