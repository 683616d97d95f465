#include <cmath>
#include <random>

#include "analysis/compare/compare.hpp"
#include "analysis/compare/trend.hpp"
#include "tests/catch.hpp"
#include "tests/unit/analysis/compare_fixture.hpp"

using namespace grit;
using namespace grit::testing;

namespace {

constexpr std::size_t kOthers = 0, kSteal = 1, kWait = 2, kCpuStall = 3;

/// Of one node at an edge of a block that takes a second: two ranks that take one CPU each, and others `others_cpus`.
Json usage_event(int node, int block, const std::string& edge, double others_cpus, const std::string& boot) {
  const double at_ns = 1e9 * (10 * block + (edge == "end" ? 1 : 0));
  const double elapsed_ns = edge == "end" ? 1e9 : 0;
  Json ranks = Json::array();
  for (const int rank : {2 * node, 2 * node + 1})
    ranks.push_back({{"rank", rank}, {"cpu_ns", 5e9 + elapsed_ns}, {"run_wait_ns", 0.1 * elapsed_ns}});
  return {{"type", "usage"},
          {"node", node},
          {"t_ns", at_ns},
          {"block", block},
          {"edge", edge},
          {"ranks", ranks},
          {"cpu_busy_ns", 7e9 + elapsed_ns * (2 + others_cpus + 0.25)},
          {"cpu_steal_ns", 1e9 + elapsed_ns * 0.25},
          {"stalls_ns", {{"cpu", elapsed_ns * 0.4}}},
          {"machine", boot}};
}

/// By block.
std::map<int, MachineLoads> loads_by_block(const Plan& plan, const std::vector<Json>& events,
                                           const std::vector<int>& blocks) {
  RunDirectories directories;
  const auto directory = directories.add("run", plan, {}, events);
  const auto lines = JsonLines::open(directory / "events.jsonl", formats::kEvents);
  REQUIRE(lines.has_value());
  return machine_loads(plan, blocks, *lines);
}

MachineLoads loads_of(const Plan& plan, const std::vector<Json>& events, const std::vector<int>& blocks) {
  return mean_loads(loads_by_block(plan, events, blocks));
}

/// Runs of one machine with these numbers of CPUs that others took, each as slow as they make it.
std::vector<ComparedRun> loaded_runs(std::mt19937_64& random, const std::vector<double>& others_cpus) {
  std::vector<ComparedRun> runs;
  for (std::size_t i = 0; i < others_cpus.size(); ++i) {
    runs.push_back(simulated_run(random, {.between = 0.005, .shift = 0.5 * others_cpus[i]}, "run" + std::to_string(i)));
    runs.back().started_utc = "2026112" + std::to_string(10 + i);
    MachineLoad load{};
    load.fill(kUnknownLoad);
    std::normal_distribution<double> noise(0.02, 0.004);
    load[kOthers] = others_cpus[i] + noise(random);
    load[kWait] = noise(random);
    runs.back().loads[0] = load;
  }
  return runs;
}

}  // namespace

TEST_CASE("what a machine's others took is what its ranks and its host did not") {
  Plan plan = small_plan(4, false);
  plan.topology.local_cluster = false;
  std::vector<Json> events;
  for (const int block : {0, 2, 3})
    for (const char* edge : {"begin", "end"})
      for (const int node : {0, 1})
        events.push_back(usage_event(node, block, edge,
                                     node == 0    ? 0.3
                                     : block == 3 ? 9
                                                  : 0.5,
                                     "boot" + std::to_string(node)));
  events.push_back(usage_event(0, 5, "begin", 7, "boot0"));  // never ended
  const MachineLoads loads = loads_of(plan, events, {0, 2, 5});
  REQUIRE(loads.size() == 2);
  CHECK(loads.at(0)[kOthers] == Approx(0.3));
  CHECK(loads.at(1)[kOthers] == Approx(0.5));
  CHECK(loads.at(0)[kSteal] == Approx(0.25));
  CHECK(loads.at(0)[kWait] == Approx(0.1));
  CHECK(loads.at(0)[kCpuStall] == Approx(0.4));
  const auto by_block = loads_by_block(plan, events, {0, 2, 3, 5});
  REQUIRE(by_block.size() == 3);
  CHECK(by_block.at(3).at(1)[kOthers] == Approx(9));
  const LoadRange range = load_range(by_block.at(3));
  CHECK(range.mean[kOthers] == Approx(4.65));
  CHECK(range.least[kOthers] == Approx(0.3));
  CHECK(range.most[kOthers] == Approx(9));
  CHECK(std::isnan(range.mean[kClock]));  // nobody knows it
  CHECK(std::isnan(loads.at(0)[kClock]));
  CHECK(load_text(kClock, loads.at(0)[kClock]) == "not known");
}

TEST_CASE("the nodes of one machine are one, and their ranks are no others") {
  Plan plan = small_plan(4, false);
  plan.topology.local_cluster = true;
  std::vector<Json> events;
  for (const char* edge : {"begin", "end"})
    for (const int node : {1, 0})
      events.push_back(usage_event(node, 0, edge, 2.3, "boot"));  // 2.0 are the other node's
  const MachineLoads loads = loads_of(plan, events, {0});
  REQUIRE(loads.size() == 1);
  CHECK(loads.at(0)[kOthers] == Approx(0.3));
}

TEST_CASE("where a node of a machine was not counted, its ranks are not taken for others") {
  const bool local = GENERATE(true, false);
  CAPTURE(local);
  Plan plan = small_plan(4, false);
  plan.topology.local_cluster = local;
  std::vector<Json> events;
  for (const int block : {0, 2})
    for (const char* edge : {"begin", "end"})
      for (const int node : {0, 1})
        if (block == 2 || node == 0) events.push_back(usage_event(node, block, edge, 2.3, "boot"));
  const MachineLoads both = loads_of(plan, events, {0, 2});
  REQUIRE(both.size() == 1);
  CHECK(both.at(0)[kOthers] == Approx(0.3));  // of block 2 alone
  CHECK(loads_of(plan, events, {0}).empty());
}

TEST_CASE("a process that took CPU on the second day is named, and not the network") {
  std::mt19937_64 random(51);
  const auto runs = loaded_runs(random, {0, 0, 0, 0, 0, 0, 0, 0, 0.3, 0.3, 0.3, 0.3});
  const Comparison comparison = compare_runs(std::span(runs).first(8), std::span(runs).subspan(8), 0.05);
  CHECK(comparison.change == Change::slower);
  REQUIRE_FALSE(comparison.machines.empty());
  CHECK(comparison.machines[0].shown);
  CHECK(comparison.machines[0].kind == kOthers);
  CHECK_FALSE(comparison.machines[1].shown);
  CHECK_THAT(shown_text(comparison.machines, {"host7"}),
             Catch::Contains("host7: CPUs that other processes kept busy 0.02 → 0.32"));
  const Json json = to_json(comparison);
  CHECK(json["machines"][0]["load"] == "others_cpus");
}

TEST_CASE("a change in a series is said to go with what the machine went through") {
  std::mt19937_64 random(52);
  const Trend trend = find_changes(loaded_runs(random, {0, 0, 0, 0, 0, 0, 0, 0, .3, .3, .3, .3, .3, .3, .3, .3}), 0.05);
  REQUIRE(trend.changes.size() == 1);
  CHECK_THAT(trend.sentence, Catch::Contains("slower") && Catch::Contains("with it went") &&
                                 Catch::Contains("CPUs that other processes kept busy"));
  CHECK(to_json(trend)["points"][9]["machines"]["others_cpus"].get<double>() > 0.2);
}

TEST_CASE("machines whose loads only vary are seldom said to differ") {
  std::mt19937_64 random(53);
  std::student_t_distribution<double> heavy(3);
  constexpr int kComparisons = 300;
  for (const double autocorrelation : {0.0, 0.5}) {
    int shown = 0;
    for (int i = 0; i < kComparisons; ++i) {
      std::vector<MachineLoads> runs(8);
      std::vector<std::size_t> places;
      for (int node = 0; node < 4; ++node)
        for (std::size_t kind = 0; kind < kLoadKinds.size(); ++kind) {
          double state = heavy(random);
          for (MachineLoads& run : runs) {
            state = autocorrelation * state + std::sqrt(1 - autocorrelation * autocorrelation) * heavy(random);
            run[node][kind] = kind == kClock ? 3e9 + 1e8 * state : 1 + 0.3 * state;
          }
        }
      for (std::size_t place = 0; place < runs.size(); ++place) places.push_back(place);
      const auto shifts = machine_shifts(std::span(runs).first(4), std::span(runs).subspan(4), places, true);
      REQUIRE(shifts.size() == 4 * kLoadKinds.size());
      shown += shifts.front().shown ? 1 : 0;
    }
    CAPTURE(autocorrelation, shown);
    CHECK(shown <= 0.088 * kComparisons);  // 0.05 and three standard errors
  }
}
