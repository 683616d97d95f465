#include "analysis/report/export/junit.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/facts/wording.hpp"
#include "analysis/report/export/junit_suite.hpp"
#include "analysis/report/page/html_writer.hpp"
#include "analysis/report/run_data.hpp"
#include "analysis/series/search.hpp"
#include "analysis/verdict/verdict.hpp"
#include "harness/base/clock.hpp"
#include "harness/base/json_fields.hpp"

namespace grit {
namespace {

TestCase verdict_case(const Verdict& verdict) {
  TestCase one{"verdict"};
  if (verdict.kind == VerdictKind::not_reproduced) one.outcome = "failure";
  if (verdict.kind == VerdictKind::inconclusive) one.outcome = "error";
  if (!one.outcome.empty()) one.message = std::string(to_string(verdict.kind)) + ": " + verdict.sentence;
  return one;
}

std::vector<TestCase> test_cases(const Verdict& verdict) {
  std::vector<TestCase> cases{verdict_case(verdict)};
  for (const ExpectationResult& expectation : verdict.expectations) {
    TestCase one{"expected: " + expectation.text};
    if (!expectation.met) one.outcome = "error", one.message = "cannot tell";
    if (expectation.met == false) one.outcome = "failure", one.message = "not met: " + verdict.sentence;
    cases.push_back(std::move(one));
  }
  TestCase off{"all faults came off, nothing was left behind"};
  if (left_something_behind(verdict)) {
    off.outcome = "failure";
    off.message = verdict.reasons.empty() ? "a fault may still be in force" : verdict.reasons.front();
  }
  cases.push_back(std::move(off));
  return cases;
}

/// From the first event to the last word of its node on a block or the run.
double run_seconds(const JsonLines& events) {
  const Json first = events.first();
  const std::int64_t node = integer_at(first, "node", -1), first_ns = integer_at(first, "t_ns", 0);
  std::int64_t last_ns = first_ns;
  events.for_each_of({"run", "block"}, [&](const Json& event) {
    if (integer_at(event, "node", -1) == node) last_ns = std::max(last_ns, integer_at(event, "t_ns", first_ns));
  });
  return static_cast<double>(last_ns - first_ns) / static_cast<double>(kNsPerS);
}

std::string name_of_suite(const std::string& scenario) { return "grit." + (scenario.empty() ? "run" : scenario); }

std::string all_said(const std::string& sentence, const std::vector<std::string>& reasons) {
  std::string said = sentence;
  for (const std::string& reason : reasons) said += "\n" + reason;
  return said;
}

/// A trial of a search fails nothing, whatever it showed: what it was for is the verdict's. One without a result is
/// skipped.
TestCase trial_case(const Series& series, const Trial& trial) {
  TestCase one{fmt::format("trial {}: {}", trial.number, trial_subject(series, trial))};
  const bool measured = trial.result && trial.result->outcome != "not_planned" && trial.result->outcome != "failed";
  if (!measured) one.outcome = "skipped", one.message = trial.result ? trial.result->sentence : "it has no result";
  return one;
}

/// What `change` says about the days or runs that were compared.
TestCase change_case(const std::string& what, int exit_code, const std::string& sentence) {
  TestCase one{what};
  if (exit_code == 1) one.outcome = "failure";
  if (exit_code == 2) one.outcome = "error";
  if (!one.outcome.empty()) one.message = sentence;
  return one;
}

}  // namespace

std::string junit_xml(const ReportInput& input) {
  const Verdict& verdict = input.verdict;
  const auto& nodes = input.plan.topology.nodes;
  return suite_xml({.name = name_of_suite(verdict.scenario),
                    .started_utc = text_or(input.run, "started_utc", ""),
                    .host = nodes.empty() ? "" : nodes.front().name,
                    .seconds = run_seconds(input.events),
                    .properties = {{"seed", std::to_string(input.plan.seed)},
                                   {"version", text_or(input.run, "version", "unknown")},
                                   {"commit", text_or(input.run, "commit", "unknown")},
                                   {"emulated", plain_text(Json(verdict.emulated))},
                                   {"outcome", verdict.outcome}},
                    .cases = test_cases(verdict),
                    .said = all_said(verdict.sentence, verdict.reasons)});
}

std::string junit_xml(const Series& series, const Verdict& verdict) {
  TestSuite suite{.name = name_of_suite(series.scenario),
                  .started_utc = series.trials.empty() ? "" : series.trials.front().begun_utc,
                  .properties = {{"seed", std::to_string(series.seed)},
                                 {"emulated", plain_text(Json(verdict.emulated))},
                                 {"outcome", verdict.outcome}},
                  .cases = test_cases(verdict),
                  .said = all_said(verdict.sentence, verdict.reasons)};
  for (const Trial& trial : series.trials) {
    suite.cases.push_back(trial_case(series, trial));
    suite.said += "\n" + trial_line(series, trial);
  }
  return suite_xml(suite);
}

std::string junit_xml(const Comparison& comparison) {
  const std::string what = fmt::format("steps take as long as before, to within {}", percent(comparison.tolerance));
  return suite_xml(
      {.name = "grit.compare",
       .started_utc = comparison.after.empty() ? "" : comparison.after.back().started_utc,
       .properties = {{"workload", comparison.workload}, {"emulated", plain_text(Json(comparison.emulated))}},
       .cases = {change_case(what, exit_code(comparison.change), comparison.sentence)},
       .said = all_said(comparison.sentence, comparison.reasons)});
}

std::string junit_xml(const Trend& trend) {
  const std::string what = fmt::format("steps take as long from the first {} to the last, to within {}",
                                       trend.of_runs ? "run" : "block", percent(trend.tolerance));
  TestSuite suite{.name = "grit.compare",
                  .started_utc = trend.points.empty() ? "" : trend.points.back().started_utc,
                  .cases = {change_case(what, trend.exit_code, trend.sentence)},
                  .said = all_said(trend.sentence, trend.reasons)};
  for (const TrendChange& change : trend.changes) suite.said += "\n" + change.text;
  return suite_xml(suite);
}

}  // namespace grit
