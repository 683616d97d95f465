#include "analysis/report/export/junit.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/report/page/html_writer.hpp"
#include "analysis/report/run_data.hpp"
#include "analysis/verdict/verdict.hpp"
#include "harness/base/clock.hpp"
#include "harness/base/json_fields.hpp"

namespace grit {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

/// Bytes that are not UTF-8 become U+FFFD: json_text does that, and its parse undoes the rest.
std::string valid_utf8(std::string_view text) { return Json::parse(json_text(std::string(text))).get<std::string>(); }

struct TestCase {
  std::string name;
  std::string outcome{};  // "failure" | "error"; empty: passed
  std::string message{};
};

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

/// "20261123T081500Z" -> "2026-11-23T08:15:00", as the schema wants it; the epoch when the run does not say.
std::string timestamp(const Json& run) {
  std::string stamp = text_or(run, "started_utc", "");
  if (stamp.size() != 16 || stamp[8] != 'T') stamp = utc_stamp(0);
  const auto part = [&](std::size_t at, std::size_t length) { return stamp.substr(at, length); };
  return fmt::format("{}-{}-{}T{}:{}:{}", part(0, 4), part(4, 2), part(6, 2), part(9, 2), part(11, 2), part(13, 2));
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

std::string properties(const ReportInput& input) {
  std::string xml = "  <properties>\n";
  const auto add = [&](std::string_view name, const std::string& value) {
    xml += fmt::format("    <property name=\"{}\" value=\"{}\"/>\n", name, escape_xml(value));
  };
  add("seed", std::to_string(input.plan.seed));
  add("version", text_or(input.run, "version", "unknown"));
  add("commit", text_or(input.run, "commit", "unknown"));
  add("emulated", plain_text(Json(input.verdict.emulated)));
  add("outcome", input.verdict.outcome);
  return xml + "  </properties>\n";
}

std::string case_xml(const TestCase& one, const std::string& class_name) {
  std::string xml =
      fmt::format("  <testcase classname=\"{}\" name=\"{}\" time=\"0\"", escape_xml(class_name), escape_xml(one.name));
  if (one.outcome.empty()) return xml + "/>\n";
  return xml + fmt::format(">\n    <{0} type=\"{0}\" message=\"{1}\">{1}</{0}>\n  </testcase>\n", one.outcome,
                           escape_xml(one.message));
}

}  // namespace

std::string escape_xml(std::string_view text) {
  std::string out;
  for (const char c : valid_utf8(text)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (c == '\n' || c == '\t') {
      out += c == '\n' ? "&#10;" : "&#9;";  // as they are, an attribute would turn them into spaces
    } else if (byte < 0x20) {
      out += kReplacement;
    } else {
      out += c;
    }
  }
  for (const std::string_view none : {"\xef\xbf\xbe", "\xef\xbf\xbf"})  // U+FFFE and U+FFFF are no characters
    for (auto at = out.find(none); at != std::string::npos; at = out.find(none)) out.replace(at, 3, kReplacement);
  return out;
}

std::string junit_xml(const ReportInput& input) {
  const Verdict& verdict = input.verdict;
  const std::string name = "grit." + (verdict.scenario.empty() ? std::string("run") : verdict.scenario);
  const std::vector<TestCase> cases = test_cases(verdict);
  const auto count = [&](std::string_view outcome) {
    return std::count_if(cases.begin(), cases.end(), [&](const TestCase& one) { return one.outcome == outcome; });
  };
  const auto& nodes = input.plan.topology.nodes;
  const std::string host = nodes.empty() || nodes.front().name.empty() ? "localhost" : nodes.front().name;
  std::string xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  xml += fmt::format(
      "<testsuite name=\"{}\" timestamp=\"{}\" hostname=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" "
      "skipped=\"0\" time=\"{:.3f}\">\n",
      escape_xml(name), escape_xml(timestamp(input.run)), escape_xml(host), cases.size(), count("failure"),
      count("error"), run_seconds(input.events));
  xml += properties(input);
  for (const TestCase& one : cases) xml += case_xml(one, name);
  std::string said = verdict.sentence;
  for (const std::string& reason : verdict.reasons) said += "\n" + reason;
  return xml + "  <system-out>" + escape_xml(said) + "</system-out>\n  <system-err></system-err>\n</testsuite>\n";
}

}  // namespace grit
