#include "analysis/report/export/junit.hpp"
#include "analysis/report/export/junit_suite.hpp"
#include "tests/catch.hpp"
#include "tests/text.hpp"
#include "tests/unit/report/sample_run.hpp"

using namespace grit;

namespace {

using test::contains;

}  // namespace

TEST_CASE("in junit.xml not met fails, what cannot be told is an error, and a fault left behind fails") {
  auto input = test::sample_run();
  input.verdict.kind = VerdictKind::not_reproduced;
  input.verdict.expectations[0].met = false;
  CHECK(contains(junit_xml(input), "tests=\"3\" failures=\"2\" errors=\"0\""));
  input.verdict.kind = VerdictKind::inconclusive;
  input.verdict.expectations[0].met = std::nullopt;
  CHECK(contains(junit_xml(input), "tests=\"3\" failures=\"0\" errors=\"2\""));
  input.verdict.expectations.clear();
  CHECK(contains(junit_xml(input), "tests=\"2\" failures=\"0\" errors=\"1\""));
  input.verdict.residue = {{"node1", {"qdiscs: new: eth0 tbf"}}};
  CHECK(contains(junit_xml(input), "tests=\"2\" failures=\"1\" errors=\"1\""));
  CHECK(contains(junit_xml(test::empty_run()), "<testsuite name=\"grit.run\" timestamp=\"1970-01-01T00:00:00\""));
}

TEST_CASE("junit.xml of a series has a case a trial, of which none fails, and one without a result is skipped") {
  Series series;
  series.scenario = "delay";
  series.trials = {{.number = 1, .overrides = {{"delay", "5ms"}}, .result = TrialResult{}},
                   {.number = 2, .overrides = {{"delay", "40ms"}}, .result = TrialResult{.outcome = "not_planned"}},
                   {.number = 3, .overrides = {{"delay", "8ms"}}}};
  Verdict verdict;
  verdict.scenario = "delay";
  verdict.kind = VerdictKind::reproduced;
  std::string xml = junit_xml(series, verdict);
  CHECK(contains(xml, "<testsuite name=\"grit.delay\""));
  CHECK(contains(xml, "tests=\"5\" failures=\"0\" errors=\"0\" skipped=\"2\""));
  CHECK(contains(xml, "name=\"trial 1: delay = 5ms\" time=\"0\"/>"));
  CHECK(contains(xml, "<skipped message=\"it has no result\"/>"));
  verdict.kind = VerdictKind::inconclusive;
  xml = junit_xml(series, verdict);
  CHECK(contains(xml, "tests=\"5\" failures=\"0\" errors=\"1\" skipped=\"2\""));
}

TEST_CASE("junit.xml of a comparison passes without a change, fails with one, and is an error when nobody can tell") {
  Comparison comparison;
  comparison.sentence = "as before";
  comparison.reasons = {"one run a side"};
  const auto counts = [&](Change change) {
    comparison.change = change;
    const std::string xml = junit_xml(comparison);
    CHECK(contains(xml, "as before&#10;one run a side"));
    CHECK(contains(xml, "name=\"steps take as long as before, to within 5.0 %\""));
    return std::pair(contains(xml, "failures=\"1\""), contains(xml, "errors=\"1\""));
  };
  for (const Change change : {Change::slower, Change::faster, Change::none, Change::inconclusive}) {
    CAPTURE(to_string(change));
    CHECK(counts(change) == std::pair(exit_code(change) == 1, exit_code(change) == 2));
  }
  Trend trend;
  trend.exit_code = 1;
  CHECK(contains(junit_xml(trend), "tests=\"1\" failures=\"1\" errors=\"0\""));
}

TEST_CASE("XML has no place for control characters and broken UTF-8") {
  CHECK(escape_xml("a<b>&\"c\"\n") == "a&lt;b&gt;&amp;&quot;c&quot;&#10;");
  CHECK(escape_xml("\x1b[31m") == "\xef\xbf\xbd[31m");
  CHECK(escape_xml(std::string("\0x", 2)) == "\xef\xbf\xbdx");
  CHECK(escape_xml("\xff") == "\xef\xbf\xbd");
  CHECK(escape_xml("\xef\xbf\xbf.") == "\xef\xbf\xbd.");
  CHECK(escape_xml("gr\xc3\xbc\xc3\x9f") == "gr\xc3\xbc\xc3\x9f");
}
