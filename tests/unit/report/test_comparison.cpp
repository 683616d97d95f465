// A comparison as text and as a page.
#include "analysis/report/page/comparison_html.hpp"
#include "analysis/report/text/comparison_text.hpp"
#include "tests/catch.hpp"
#include "tests/unit/analysis/compare_fixture.hpp"

using namespace grit;
using namespace grit::testing;

namespace {

Comparison sample() {
  std::mt19937_64 random(1);
  auto before = simulated_runs(random, 4, {.between = 0.01}, "monday/");
  auto after = simulated_runs(random, 4, {.between = 0.01, .shift = 0.2}, "<tuesday>/");
  for (auto* runs : {&before, &after})
    for (ComparedRun& run : *runs) {
      for (int rank = 0; rank < kRanks; ++rank) run.phases.push_back({rank, rank / 2, {0, 3e6, 4e6, 2e6, 1e6, 0, 0}});
      run.environments[1] = Json{{"kernel", {{"release", runs == &before ? "6.1" : "<b>6.2\x1b[31m</b>"}}}};
    }
  for (ComparedRun& run : after) run.phases[2].mean_ns[2] += 2e6;
  return compare_runs(before, after, 0.05);
}

}  // namespace

TEST_CASE("the terminal shows no escapes, and names a page only where there is one") {
  const std::string text = comparison_text(sample(), "runs/x/compare.html");
  CHECK_THAT(text, Catch::Contains("kernel.release: 6.1 →"));
  CHECK(text.find('\x1b') == std::string::npos);
  CHECK_THAT(text, Catch::Contains("page      runs/x/compare.html"));
  CHECK_THAT(comparison_text(sample(), ""), !Catch::Contains("page  "));
}

TEST_CASE("the page holds plots and tables, and escapes what it is given") {
  const auto page = render_comparison(sample());
  REQUIRE(page.has_value());
  CHECK_THAT(*page, Catch::Contains("id=\"plot-runs\""));
  CHECK_THAT(*page, Catch::Contains("id=\"plot-phases\""));
  CHECK_THAT(*page, Catch::Contains("kernel.release"));
  CHECK_THAT(*page, !Catch::Contains("<tuesday>"));
  CHECK_THAT(*page, !Catch::Contains("<b>6.2"));
  CHECK_THAT(*page, Catch::Contains("&lt;b&gt;6.2"));
  CHECK_THAT(*page, !Catch::Contains("{{"));
}

TEST_CASE("a page of runs without phases or machines says what is missing") {
  std::mt19937_64 random(2);
  const auto runs = simulated_runs(random, 2, {}, "run");
  const auto page = render_comparison(compare_runs({runs.data(), 1}, {runs.data() + 1, 1}, 0.05));
  REQUIRE(page.has_value());
  CHECK_THAT(*page, Catch::Contains("No rank is in all of these runs"));
  CHECK_THAT(*page, Catch::Contains("hold no description of the machines"));
  CHECK_THAT(*page, Catch::Contains("needs more than one run a side"));
}

TEST_CASE("a series as text marks where it changed") {
  Trend trend;
  trend.exit_code = 1;
  trend.sentence = "Steps changed";
  trend.points = {{"a", "", -1, 1e7}, {"b", "", -1, 2e7}};
  trend.changes = {{1, 1.0, 0.01, "from b on steps are 100 % slower", {}}};
  const std::string text = trend_text(trend);
  CHECK_THAT(text, Catch::Contains("series: changed\n"));
  CHECK_THAT(text, Catch::Contains("→"));
}
