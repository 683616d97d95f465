#include "analysis/report/export/junit.hpp"
#include "tests/catch.hpp"
#include "tests/unit/report/sample_run.hpp"

using namespace grit;

namespace {

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

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

TEST_CASE("XML has no place for control characters and broken UTF-8") {
  CHECK(escape_xml("a<b>&\"c\"\n") == "a&lt;b&gt;&amp;&quot;c&quot;&#10;");
  CHECK(escape_xml("\x1b[31m") == "\xef\xbf\xbd[31m");
  CHECK(escape_xml(std::string("\0x", 2)) == "\xef\xbf\xbdx");
  CHECK(escape_xml("\xff") == "\xef\xbf\xbd");
  CHECK(escape_xml("\xef\xbf\xbf.") == "\xef\xbf\xbd.");
  CHECK(escape_xml("gr\xc3\xbc\xc3\x9f") == "gr\xc3\xbc\xc3\x9f");
}
