// What people and programs get to read of a run, a series and a comparison: tests/snapshots.
#include <fmt/format.h>

#include <map>
#include <set>

#include "analysis/compare/compare.hpp"
#include "analysis/compare/trend.hpp"
#include "analysis/report/page/comparison_html.hpp"
#include "analysis/report/page/trend_html.hpp"
#include "analysis/report/text/comparison_text.hpp"
#include "analysis/report/text/terminal.hpp"
#include "analysis/series/search.hpp"
#include "harness/base/files.hpp"
#include "harness/record/run_dir.hpp"
#include "harness/scenario/load.hpp"
#include "harness/scenario/planner.hpp"
#include "tests/catch.hpp"
#include "tests/read_events.hpp"
#include "tests/temp_directory.hpp"
#include "tests/virtual/cases.hpp"
#include "tests/virtual/snapshot.hpp"

using namespace grit;
using namespace grit::testing;
using test::check_snapshot;
using test::snapshot_json;
namespace fs = std::filesystem;

namespace {

std::string text_of(const fs::path& file) {
  const auto text = read_file(file);
  REQUIRE(text.has_value());
  return *text;
}

Json json_of(const fs::path& file) {
  const auto json = read_json(file);
  REQUIRE(json.has_value());
  return *json;
}

/// FNV-1a: for bytes that are too many to keep.
std::string fingerprint(const std::string& bytes) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  return fmt::format("{:016x}", hash);
}

/// How many of each type, and a fingerprint of them all.
std::string events_text(const fs::path& run) {
  const auto events = read_events(run / "events.jsonl");
  REQUIRE(events.has_value());
  std::map<std::string, int> counts;
  for (const Json& event : *events) ++counts[event.at("type").get<std::string>()];
  std::string text;
  for (const auto& [type, count] : counts) text += fmt::format("{:6} {}\n", count, type);
  return text + fmt::format("events.jsonl {}\nsteps.npy    {}\n", fingerprint(text_of(run / "events.jsonl")),
                            fingerprint(text_of(run / "steps.npy")));
}

/// The runs of a day: of the same thing, with other noise.
std::vector<ComparedRun> day(const fs::path& directory, const std::string& name, VirtualSetting setting, int runs) {
  std::vector<ComparedRun> all;
  for (int i = 0; i < runs; ++i) {
    setting.seed += 1;
    setting.started_utc = fmt::format("2026010{}T000000Z", i + 1);
    const fs::path run = directory / fmt::format("{}-{}", name, i + 1);
    run_virtually(setting, run);
    auto read = read_compared_run(run);
    REQUIRE(read.has_value());
    read->directory = run.filename();
    all.push_back(std::move(*read));
  }
  return all;
}

}  // namespace

TEST_CASE("snapshots of runs", "[snapshot]") {
  const test::TempDirectory directory;
  const std::set<std::string> in_full{"link_flap", "expected_more", "hang", "idle_fault"};
  for (const Case& one : cases()) {
    const fs::path run = directory.path() / one.name;
    const VirtualRun made = run_virtually(one.setting, run);
    check_snapshot(one.name + "/terminal.txt", terminal_summary(made.verdict, "runs/" + one.name));
    check_snapshot(one.name + "/verdict.json", snapshot_json(json_of(run / "verdict.json")));
    if (!in_full.contains(one.name)) continue;
    check_snapshot(one.name + "/junit.xml", text_of(run / "junit.xml"));
    check_snapshot(one.name + "/plan.txt", describe_plan(made.plan));
    check_snapshot(one.name + "/events.txt", events_text(run));
    check_snapshot(one.name + "/report.txt", test::visible_text(text_of(run / "report.html")));
  }
}

TEST_CASE("the snapshot of a plan over a mesh", "[snapshot]") {
  auto loaded = evaluate_scenario(
      "virtual.lua",
      virtual_scenario(
          "mesh",
          R"(fault.rank_delay { rank = { tp = 1, pp = 1 } }, fault.link_flap { on = { ep = 1 }, down = "200ms" })",
          R"(slowdown = { at_least = "5%" })"),
      {});
  REQUIRE(loaded.has_value());
  // As if its workload used these axes: what is shown is the plan alone.
  loaded->scenario.mesh = {{Axis::tp, 2}, {Axis::pp, 2}, {Axis::ep, 2}};
  const auto plan = make_plan(loaded->scenario, virtual_topology(4, 4), {});
  INFO((plan ? std::string() : plan.error().message));
  REQUIRE(plan.has_value());
  check_snapshot("mesh/plan.txt", describe_plan(*plan));
}

TEST_CASE("snapshots of a series: the threshold is where it is", "[snapshot]") {
  // The delayed node has less to do than the others, by 2.7 ms a step: that much delay costs nothing.
  VirtualSetting setting{.slow_node = 2, .slow_times = 0.9};
  setting.scenario = R"(local grit = require "grit"
return grit.scenario {
  name = "delay_knee",
  summary = "From which delay on do steps slow down?",
  options = { delay = { "1ms", unit = "time" } },
  workload = grit.workload.ddp { compute = "emulated" },
  faults = function(o) return { grit.fault.rank_delay { on = "2", delay = o.delay } } end,
  design = { pairs = 6, block = "20 steps" },
  search = grit.search.threshold { option = "delay", from = "200us", to = "50ms", slowdown = "10%", resolution = "20%" },
}
)";
  const test::TempDirectory directory;
  const fs::path made = directory.path() / "series";
  const auto [series, verdict] = search_virtually(setting, made);
  const auto threshold = threshold_of(series);
  REQUIRE(threshold);
  CHECK(threshold->found);
  CHECK(threshold->known);
  REQUIRE(threshold->knee);
  CHECK(*threshold->knee > 2.7e6);
  // From there on a tenth of a step is lost, by other runs: at the found dose nearly so much, at the ends of its
  // interval less and more.
  auto lost_at = [&, number = 0](double dose) mutable {
    VirtualSetting again = setting;
    again.seed = 100;
    again.options = {{"delay", fmt::format("{:.0f}ns", dose)}};
    const auto effect = run_virtually(again, directory.path() / fmt::format("at-{}", ++number)).verdict.effect;
    REQUIRE(effect);
    return effect->estimate;
  };
  CHECK(lost_at(threshold->dose) == Approx(0.1).margin(0.015));
  CHECK(lost_at(threshold->interval.low) < 0.1);
  CHECK(lost_at(threshold->interval.high) > 0.1);
  check_snapshot("series/terminal.txt", terminal_summary(verdict, "runs/delay_knee"));
  check_snapshot("series/verdict.json", snapshot_json(json_of(made / "verdict.json")));
  check_snapshot("series/report.txt", test::visible_text(text_of(made / "report.html")));
}

TEST_CASE("snapshots of comparisons: a node that became slower is named, and one that did not is not", "[snapshot]") {
  const test::TempDirectory directory;
  const VirtualSetting setting{
      .scenario = virtual_scenario("healthy", "", R"(slowdown = { at_most = "5%" })", R"(pairs = 6, block = "500ms")")};
  VirtualSetting slower = setting;
  slower.seed = 100, slower.slow_node = 2, slower.slow_times = 1.2;
  VirtualSetting same = setting;
  same.seed = 200;
  const auto before = day(directory.path(), "monday", setting, 4);
  const auto after = day(directory.path(), "tuesday", slower, 4);
  const auto alike = day(directory.path(), "wednesday", same, 4);

  const Comparison changed = compare_runs(before, after, 0.05);
  CHECK(changed.change == Change::slower);
  REQUIRE(changed.location);
  check_snapshot("comparison/slower.txt", comparison_text(changed, "compare.html"));
  check_snapshot("comparison/slower.json", snapshot_json(to_json(changed)));
  const auto page = render_comparison(changed);
  REQUIRE(page.has_value());
  check_snapshot("comparison/page.txt", test::visible_text(*page));

  const Comparison unchanged = compare_runs(before, alike, 0.05);
  CHECK(unchanged.change == Change::none);
  check_snapshot("comparison/no_change.txt", comparison_text(unchanged, "compare.html"));

  std::vector<ComparedRun> both = before;
  both.insert(both.end(), after.begin(), after.end());
  for (std::size_t i = 0; i < both.size(); ++i) both[i].started_utc = fmt::format("2026010{}T000000Z", i + 1);
  const Trend trend = find_changes(both, 0.05);
  REQUIRE(trend.changes.size() == 1);
  CHECK(trend.changes[0].first == 4);
  check_snapshot("comparison/series.txt", trend_text(trend, "series.html"));
  const auto series_page = render_trend(trend);
  REQUIRE(series_page.has_value());
  check_snapshot("comparison/series_page.txt", test::visible_text(*series_page));
}
