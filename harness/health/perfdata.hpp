// What a monitoring plug-in prints (Monitoring Plugins Interface, "Output"): one line for people, figures behind a "|".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace grit {

struct PerfMetric {
  std::string label{};
  std::optional<double> value{};  // empty: the plug-in printed "U", it does not know
  std::string uom{};              // unit of measure, as printed: "ms", "%", "MB"; mostly empty
};

struct PluginOutput {
  std::string text{};  // of the first line, up to its "|"
  std::vector<PerfMetric> metrics{};
  int refused = 0;  // words among the figures that are no metric
};

/// Never fails: what is no metric is counted and passed over. Control characters, a NUL among them, and bytes that are
/// no UTF-8 are replaced. At most 256 metrics are kept.
PluginOutput parse_plugin_output(std::string_view output);

/// The value in the units of outcomes, and which: milliseconds become "s", per cent a "share" (of 1), KiB "bytes". MB
/// and the like stay as printed: plug-ins mean 1,000 or 1,024 by them. Without a value: none.
std::optional<double> value_of(const PerfMetric& metric);
std::string unit_of(const PerfMetric& metric);

}  // namespace grit
