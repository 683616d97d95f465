// What a burn-in gives to read, to people and to programs.
#include <set>

#include "analysis/report/export/burnin_export.hpp"
#include "analysis/report/page/burnin_page.hpp"
#include "analysis/report/text/burnin_text.hpp"
#include "harness/health/openmetrics/text.hpp"
#include "tests/catch.hpp"
#include "tests/unit/report/sample_drift.hpp"
#include "tests/virtual/snapshot.hpp"

using namespace grit;

TEST_CASE("a burn-in's text, page and files", "[snapshot]") {
  const BurninReport report = test::sample_burnin();
  const auto page = render_burnin_html(report);
  REQUIRE(page.has_value());
  test::check_snapshot("burnin/terminal.txt", burnin_text(report, "burnin/quick/20261123T081500Z"));
  test::check_snapshot("burnin/page.txt", test::visible_text(*page));
  test::check_snapshot("burnin/nodes.csv", burnin_nodes_csv(report));
  test::check_snapshot("burnin/junit.xml", burnin_junit(report));
  test::check_snapshot("burnin/metrics.prom", burnin_openmetrics(report));
  test::check_snapshot("burnin/burnin.json", test::snapshot_json(to_json(report)));
}

TEST_CASE("what a burn-in of several cycles says of these", "[snapshot]") {
  BurninReport report = test::sample_soak();
  report.nodes.clear(), report.observations.clear();
  test::check_snapshot("burnin/soak.txt", burnin_text(report, "burnin/soak/20261123T081500Z"));
  test::check_snapshot("burnin/soak.json", test::snapshot_json(to_json(report)));
}

TEST_CASE("grit's own health check can read a burn-in's metrics") {
  BurninReport report = test::sample_burnin();
  report.nodes[0].host = "a\",b\\\nc";
  const auto read = parse_exposition(
      burnin_openmetrics(report),
      {"grit_burnin_node_state", "grit_burnin_figure", "grit_burnin_worse", "grit_burnin_complete"}, true);
  REQUIRE(read.has_value());
  std::map<std::string, int> counts;
  bool odd_name = false;
  for (const MetricSample& sample : read->samples) {
    ++counts[sample.name];
    const auto node = sample.labels.find("node");
    odd_name |= node != sample.labels.end() && node->second == report.nodes[0].host;
  }
  CHECK(counts["grit_burnin_complete"] == 1);
  CHECK(counts["grit_burnin_node_state"] == 12);
  CHECK(counts["grit_burnin_figure"] == 12 * 7 - 1);
  // Two bad (a share has none), three of two that were set apart, one not clear, one cleared.
  CHECK(counts["grit_burnin_worse"] == 7);
  CHECK(odd_name);
}
