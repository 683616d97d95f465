// A comparison as text and as a page.
#include "analysis/report/page/comparison_html.hpp"
#include "analysis/report/page/trend_html.hpp"
#include "analysis/report/plots/plots_loads.hpp"
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
  const std::string text = trend_text(trend, "runs/b/series.html");
  CHECK_THAT(text, Catch::Contains("series: changed\n"));
  CHECK_THAT(text, Catch::Contains("→"));
  CHECK_THAT(text, Catch::Contains("page      runs/b/series.html"));
}

namespace {

/// The rows of a table of a plot's specification.
Json plot_data(const Plot& plot, std::string_view name) {
  REQUIRE(plot.spec);
  for (const Json& data : plot.spec->at("data"))
    if (data.at("name") == name) return data.at("values");
  FAIL("no such data");
  return {};
}

Json signal_of(const Plot& plot, std::string_view name) {
  for (const Json& signal : plot.spec->at("signals"))
    if (signal.at("name") == name) return signal.at("value");
  FAIL("no such signal");
  return {};
}

/// Machines of which the first is left alone, and others take so many CPUs of the second.
MachineLoads two_machines(double others_cpus) {
  MachineLoad alone = unknown_load();
  alone[0] = 0.1, alone[2] = 0.02, alone[kClock] = 3e9;
  MachineLoad loaded = alone;
  loaded[0] = others_cpus;
  return {{0, alone}, {1, loaded}};
}

}  // namespace

TEST_CASE("the machines' loads stand below the step times of a comparison, run by run in order of time") {
  std::mt19937_64 random(3);
  auto runs = simulated_runs(random, 4, {}, "day/run");
  for (std::size_t i = 0; i < runs.size(); ++i) {
    runs[i].started_utc = "2026112" + std::to_string(9 - i) + "T000000Z";  // the last one began first
    if (i != 1) runs[i].loads = two_machines(0.1 + 0.2 * static_cast<double>(i));
  }
  const Comparison comparison = compare_runs(std::span(runs).first(2), std::span(runs).subspan(2), 0.05);
  const Plot plot = loads_plot(comparison);
  CHECK(plot.note.empty());
  CHECK(signal_of(plot, "names") == Json{"1 · run3", "2 · run2", "3 · run1", "4 · run0"});
  const Json panels = plot_data(plot, "panels");
  REQUIRE(panels.size() == 4);  // step time, others' CPUs, waiting, clock: what somebody knows
  CHECK(panels[0]["title"] == "time per step (ms)");
  CHECK(panels[1]["title"] == "CPUs that other processes kept busy");
  CHECK(panels[3]["title"] == "clock of the CPUs (GHz)");
  CHECK(panels[1]["low"] == 0);
  CHECK(panels[1]["high"].get<double>() > 0.7);
  CHECK(panels[3]["low"].get<double>() > 2.9);
  for (std::size_t i = 1; i < panels.size(); ++i) CHECK(panels[i]["y"] > panels[i - 1]["y"]);
  std::vector<Json> steps, others;
  for (const Json& point : plot_data(plot, "points")) {
    if (point["panel"] == 0) steps.push_back(point);
    if (point["panel"] == 1) others.push_back(point);
    CHECK(point["low"] <= point["mean"]);
    CHECK(point["mean"] <= point["high"]);
  }
  REQUIRE(steps.size() == 4);
  CHECK(steps[0]["side"] == "new");
  CHECK(steps[3]["side"] == "old");
  CHECK(steps[3]["mean"].get<double>() == Approx(comparison.before[0].mean_ns / 1e6).epsilon(1e-4));
  REQUIRE(others.size() == 3);  // of the run that does not know it there is no point
  CHECK(others[0]["name"] == "1 · run3");
  CHECK(others[0]["mean"].get<double>() == Approx(0.4));
  CHECK(others[0]["low"].get<double>() == Approx(0.1));
  CHECK(others[0]["high"].get<double>() == Approx(0.7));
  CHECK_THAT(others[0]["tip"].get<std::string>(), Catch::Contains("day/run3, new: 0.40, machines from 0.10 to 0.70"));
  CHECK(to_json(comparison)["after"][0]["machines"]["others_cpus"].get<double>() == Approx(0.3));
}

TEST_CASE("the page of a series shows where it changed, and what the machines went through") {
  std::mt19937_64 random(4);
  auto runs = simulated_runs(random, 12, {.between = 0.005}, "<b>run");
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const bool later = i >= 6;
    runs[i].started_utc = "202611" + std::to_string(10 + i);
    runs[i].loads = two_machines((later ? 0.9 : 0.1) + 0.001 * static_cast<double>(i));
    for (ComparedBlock& block : runs[i].baseline) block.median_ns *= later ? 1.3 : 1;
  }
  const Trend trend = find_changes(runs, 0.05);
  REQUIRE(trend.changes.size() == 1);
  REQUIRE(trend.changes[0].first == 6);
  CHECK_THAT(trend.changes[0].text, Catch::Contains("with it went node1: CPUs that other processes kept busy"));
  const Plot plot = loads_plot(trend);
  const Json changes = plot_data(plot, "changes");
  REQUIRE(changes.size() == 1);
  CHECK(changes[0]["before"] == signal_of(plot, "names")[5]);
  CHECK(changes[0]["first"] == signal_of(plot, "names")[6]);
  for (const Json& point : plot_data(plot, "points")) {
    const Json names = signal_of(plot, "names");
    const auto place = std::find(names.begin(), names.end(), point["name"]) - names.begin();
    CHECK(point["side"] == (place < 6 ? "old" : "new"));
  }
  const auto page = render_trend(trend);
  REQUIRE(page.has_value());
  for (const char* part : {"id=\"plot-loads\"", "changed</span>", "CPUs that other processes kept busy", "differs",
                           "How the machines differ", "&lt;b&gt;run6"})
    CHECK_THAT(*page, Catch::Contains(part));
  CHECK_THAT(*page, !Catch::Contains("<b>run") && !Catch::Contains("{{"));
}

TEST_CASE("a series of one run's blocks shows what the machines went through in each") {
  std::mt19937_64 random(5);
  auto run = simulated_run(random, {.between = 0.005, .blocks = 12}, "run");
  for (ComparedBlock& block : run.baseline) block.load = load_range(two_machines(0.05 * block.index));
  const Plot plot = loads_plot(find_changes({run}, 0.05));
  CHECK(signal_of(plot, "names")[11] == "block 11");
  bool found = false;
  for (const Json& point : plot_data(plot, "points"))
    if (point["panel"] == 1 && point["name"] == "block 11") found = point["high"].get<double>() > 0.54;
  CHECK(found);
  for (ComparedBlock& block : run.baseline) block.load = {};
  const Plot bare = loads_plot(find_changes({run}, 0.05));
  CHECK(plot_data(bare, "panels").size() == 1);
  CHECK_THAT(bare.note, Catch::Contains("not recorded"));
}

TEST_CASE("a cost is in the text and on the page, when there is one") {
  Comparison comparison = sample();
  REQUIRE(comparison.cost);
  set_fleet(comparison, {.gpus = 8192, .jobs = {{1024, 0.7}, {128, 0.3}}}, std::nullopt);
  const std::string text = comparison_text(comparison, "");
  CHECK_THAT(text, Catch::Contains("\n  cost      ") && Catch::Contains("GPU-days a week (") &&
                       Catch::Contains("of 8192 GPUs"));
  CHECK_THAT(render_comparison(comparison).value(), Catch::Contains("What it costs: ") && Catch::Contains("8192 GPUs"));
  comparison.cost.reset();
  CHECK_THAT(comparison_text(comparison, ""), !Catch::Contains("  cost "));
  CHECK_THAT(render_comparison(comparison).value(), !Catch::Contains("What it costs"));
}
