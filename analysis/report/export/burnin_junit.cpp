#include <fmt/format.h>

#include "analysis/report/export/burnin_export.hpp"
#include "analysis/report/export/junit_suite.hpp"
#include "analysis/report/tables/burnin_words.hpp"

namespace grit {
namespace {

/// A node's findings, one a line, behind its reason.
std::string message_of(const BurninNodeReport& node) {
  std::string text = node.reason.empty() ? std::string(state_words(node.state)) : node.reason;
  for (const BurninFinding& finding : node.findings)
    if (const std::string words = finding_text(finding); words != node.reason)
      text += fmt::format("\n{} ({})", words, status_words(finding.status));
  return text;
}

/// Only what was shown is a failure. Of the rest, what was set apart among it, the test has found no answer: an error.
TestCase case_of(const BurninNodeReport& node) {
  if (node.state == BurninNodeState::good) return {node.host, "", ""};
  return {node.host, node.state == BurninNodeState::bad ? "failure" : "error", message_of(node)};
}

/// Links and groups: only what is bad, set apart or not clear is a case.
void add_cases(const std::vector<BurninFinding>& findings, std::string_view what, std::vector<TestCase>& cases) {
  for (const BurninFinding& finding : findings) {
    if (finding.status == BurninStatus::clear || finding.status == BurninStatus::cleared) continue;
    cases.push_back({fmt::format("{}{}: {}", what, place_of(finding), accusation(finding.measure)),
                     finding.status == BurninStatus::shown ? "failure" : "error", finding_text(finding)});
  }
}

}  // namespace

std::string burnin_junit(const BurninReport& report) {
  TestSuite suite{.name = "grit.burnin." + report.config.name, .started_utc = report.started_utc};
  suite.seconds = static_cast<double>(report.took_ns) / 1e9;
  suite.properties = {{"launcher", report.launcher}, {"false_bad", fmt::format("{:g}", report.config.false_bad)}};
  for (const BurninNodeReport& node : report.nodes) suite.cases.push_back(case_of(node));
  add_cases(report.links, "link ", suite.cases);
  add_cases(report.groups, "", suite.cases);
  for (const BurninFinding& finding : report.fleet)
    if (is_slower_fleet(finding) || is_fleet_without_carrier(finding))
      suite.cases.push_back(
          {fmt::format("fleet{}: {}", finding.group.empty() ? "" : " of " + finding.group, accusation(finding.measure)),
           "error", finding_text(finding)});
  suite.said = burnin_sentence(report) + "\n" + burnin_rest(report) + "\n" + burnin_claim(report);
  return suite_xml(suite);
}

}  // namespace grit
