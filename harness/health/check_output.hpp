// What `grit check` found, for people, for monitoring systems and for programs.
#pragma once

#include <string>
#include <vector>

#include "harness/health/runner.hpp"

namespace grit {

/// One check, as it was read last.
struct CheckedOnce {
  std::string label{};
  bool is_asked_for = false;  // by name, or by a file of the site's: that it cannot be made is then worth an exit code
  bool of_links = false;      // CheckInfo::of_links
  CheckReading reading{};
};

/// A further reading stands in place of the one before. One that could not be made takes nothing away that the one
/// before has found: it stands beside it.
void take_reading(CheckedOnce& check, CheckReading reading);

struct NodeCheck {
  std::string node{};
  std::int64_t t_ns = 0;  // CLOCK_REALTIME, when it began
  std::int64_t duration_ns = 0;
  std::vector<CheckedOnce> checks{};
};

/// The exit code of a monitoring plug-in: the worst of all outcomes, critical before warning before ok. unknown where
/// nothing is worse and a check that was asked for could not be made, or not all of it: also when some of its subjects
/// are ok, for another may be critical. Unknown, too, when nothing is known of any check. A node without GPU is not
/// unknown for that; with `strict` everything unknown counts.
Severity severity_of(const NodeCheck& all, bool strict);

/// Lines of the Monitoring Plugins Interface: "GRIT CRITICAL - link_settings eth0: MTU 1400, was 1500; 19 of 26 checks
/// are ok, 6 cannot look here | 'link_settings eth0'=1400B". The first at most 1,000 bytes, all at most 8,000: what
/// agents of monitoring systems pass on.
std::string plugin_lines(const NodeCheck& all, Severity severity);

/// A row an outcome, the worst first; what cannot look here is counted below.
std::string check_table(const NodeCheck& all, Severity severity);

/// docs/schema/check.schema.json.
Json check_json(const NodeCheck& all, Severity severity);

/// Gauges in the text format of Prometheus 0.0.4, which is OpenMetrics 1.0, too: for a node exporter's textfile
/// collector (no time stamps, no counters). Of several outcomes of one subject it has the worst.
std::string openmetrics_text(const NodeCheck& all);

}  // namespace grit
