#include <fmt/format.h>

#include <cmath>
#include <fstream>

#include "analysis/compare/compare.hpp"
#include "tests/catch.hpp"
#include "tests/simulated_days.hpp"
#include "tests/unit/analysis/compare_fixture.hpp"

using namespace grit;
using namespace grit::testing;

namespace {

struct Tally {
  int changed = 0, none = 0, covered = 0;
};

enum class Order { one_after_the_other, by_turns };

Tally tally(int runs_before, int runs_after, const RunSettings& settings, int experiments, std::uint64_t seed,
            Order order = Order::one_after_the_other) {
  std::mt19937_64 random(seed);
  RunSettings still = settings;
  still.shift = 0;
  Tally result;
  for (int i = 0; i < experiments; ++i) {
    double state = std::normal_distribution<double>()(random);
    auto before = simulated_runs(random, runs_before, still, "old", state);
    auto after = simulated_runs(random, runs_after, settings, "new", state);
    for (auto* runs : {&before, &after})
      for (std::size_t k = 0; k < runs->size(); ++k)
        (*runs)[k].started_utc = fmt::format("2026112{}T0{}0000Z", order == Order::by_turns || runs == &before ? 4 : 5,
                                             2 * k + (runs == &after ? 1 : 0));
    const Comparison comparison = compare_runs(before, after, 0.05);
    result.changed += exit_code(comparison.change) == 1 ? 1 : 0;
    result.none += comparison.change == Change::none ? 1 : 0;
    const double truth = std::expm1(settings.shift);
    result.covered += comparison.mean.ci_low <= truth && truth <= comparison.mean.ci_high ? 1 : 0;
  }
  return result;
}

/// Two ranks on each of two nodes, all alike but for 0.1 % from run to run.
std::vector<ComparedRun> four_runs(double forward_ns, double comm_ns, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> noise(1, 0.001);
  std::vector<ComparedRun> runs(4);
  for (ComparedRun& run : runs)
    for (int rank = 0; rank < 4; ++rank) {
      RankPhases phases{rank, rank / 2, {}};
      phases.mean_ns[1] = forward_ns * noise(random);
      phases.mean_ns[2] = 2 * forward_ns;
      phases.mean_ns[kExposedComm] = comm_ns;
      run.phases.push_back(phases);
    }
  return runs;
}

void slow_down(std::vector<ComparedRun>& runs, std::size_t rank, std::size_t phase, double by_ns) {
  for (ComparedRun& run : runs) {
    run.phases[rank].mean_ns[phase] += by_ns;
    run.phases[rank].mean_ns[kExposedComm] -= by_ns;
  }
}

/// How often a node that did not change, or only changed as all others did, is named, of so many comparisons.
int innocents_named(const Days& days, int comparisons) {
  std::mt19937_64 random(31);
  int named = 0;
  for (int i = 0; i < comparisons; ++i) {
    const auto runs = simulate_days(random, days);
    const auto found = locate(old_runs(runs, days), new_runs(runs, days), Topology{});
    named += found && found->where == Location::Where::place && found->node != days.slow_node ? 1 : 0;
  }
  return named;
}

int slow_node_found(const Days& days, int comparisons) {
  std::mt19937_64 random(32);
  int named = 0;
  for (int i = 0; i < comparisons; ++i) {
    const auto runs = simulate_days(random, days);
    const auto found = locate(old_runs(runs, days), new_runs(runs, days), Topology{});
    named += found && found->where == Location::Where::place && found->node == days.slow_node ? 1 : 0;
  }
  return named;
}

}  // namespace

TEST_CASE("runs that differ only by chance are seldom called changed", "[statistics]") {
  constexpr int kExperiments = 500;
  for (const auto& [before, after] : {std::pair{4, 4}, std::pair{3, 3}, std::pair{6, 1}, std::pair{8, 6}}) {
    const Tally result = tally(before, after, {}, kExperiments, 11);
    INFO(before << " + " << after << ": " << result.changed << " of " << kExperiments << ", covered "
                << result.covered);
    CHECK(result.changed <= 0.08 * kExperiments);  // 0.05 and three standard errors
    CHECK(result.covered >= 0.92 * kExperiments);
  }
}

TEST_CASE("a shift well above the spread between runs is shown") {
  const double shift = std::log1p(0.15);
  const Tally four = tally(4, 4, {.between = 0.02, .shift = shift}, 200, 12, Order::by_turns);
  CHECK(four.changed >= 198);
  CHECK(four.covered >= 184);
  CHECK(tally(3, 3, {.between = 0.02, .shift = shift}, 200, 13, Order::by_turns).changed >= 190);
  CHECK(tally(4, 4, {.between = 0.02, .shift = -shift}, 200, 15, Order::by_turns).changed >= 198);
  CHECK(tally(4, 4, {.between = 0.02, .shift = shift}, 200, 12).changed >= 180);
  CHECK(tally(3, 3, {.between = 0.02, .shift = shift}, 200, 13).changed >= 160);
  CHECK(tally(5, 1, {.between = 0.02, .shift = shift}, 200, 14).changed >= 180);
}

TEST_CASE("equivalence is shown when runs are steady, and only then") {
  CHECK(tally(4, 4, {.between = 0.005}, 100, 16, Order::by_turns).none >= 98);
  CHECK(tally(4, 4, {.between = 0.005}, 100, 16).none >= 90);
  CHECK(tally(4, 4, {.between = 0.10}, 100, 17).none <= 5);
  CHECK(tally(4, 4, {.between = 0.02, .shift = 0.05}, 200, 18).none <= 10);  // the truth lies on the border
}

TEST_CASE("runs that wander are seldom called changed, and the interval says why it is wide", "[statistics]") {
  constexpr int kExperiments = 400;
  constexpr double kMost = 0.083 * kExperiments;  // 0.05 and three standard errors
  for (const auto& [before, after] : {std::pair{4, 4}, std::pair{3, 3}, std::pair{6, 6}}) {
    const Tally result = tally(before, after, {.autocorrelation = 0.5}, kExperiments, 24);
    CAPTURE(before, after, result.changed);
    CHECK(result.changed <= kMost);
  }
  std::mt19937_64 random(25);
  std::vector<ComparedRun> runs = simulated_runs(random, 8, {}, "run");
  for (std::size_t i = 0; i < 8; ++i)  // steps become longer all the time
    for (ComparedBlock& block : runs[i].baseline) block.mean_ns = 1e7 * (1 + 0.02 * static_cast<double>(i));
  const Comparison drift = compare_runs(std::span(runs).first(4), std::span(runs).subspan(4), 0.05);
  CHECK(drift.mean.inflation > 2);
  CHECK(drift.change == Change::inconclusive);
  CHECK(std::any_of(drift.reasons.begin(), drift.reasons.end(), [](const std::string& reason) {
    return reason.find("let old and new ones alternate") != std::string::npos;
  }));
}

TEST_CASE("one run a side is never enough, however large the shift") {
  std::mt19937_64 random(19);
  const auto before = simulated_runs(random, 1, {.within = 0.001}, "old");
  const auto after = simulated_runs(random, 1, {.within = 0.001, .shift = 0.7}, "new");
  const Comparison comparison = compare_runs(before, after, 0.05);
  CHECK(comparison.change == Change::inconclusive);
  CHECK(exit_code(comparison.change) == 2);
  CHECK(comparison.mean.method == ShiftMethod::within_runs);
  CHECK(comparison.mean.ci_low > 0.5);
  CHECK_THAT(comparison.sentence, Catch::Contains("cannot be told from one run a side"));
  REQUIRE_FALSE(comparison.reasons.empty());
  CHECK_THAT(comparison.reasons[0], Catch::Contains("at least twice"));
  CHECK(to_json(comparison)["shift"]["p"].is_null());
}

TEST_CASE("the test follows from the numbers of runs") {
  std::mt19937_64 random(20);
  const auto of = [&](int before, int after) {
    return compare_runs(simulated_runs(random, before, {}, "old"), simulated_runs(random, after, {}, "new"), 0.05).mean;
  };
  CHECK(of(4, 4).method == ShiftMethod::permutation);
  CHECK(of(3, 5).method == ShiftMethod::permutation);
  CHECK(of(3, 3).method == ShiftMethod::t);
  CHECK(of(2, 1).method == ShiftMethod::t);
  CHECK(of(2, 1).degrees_of_freedom == 1);
  CHECK_FALSE(of(1, 1).between_runs.has_value());
}

TEST_CASE("a shift that is shown but within the tolerance is no change") {
  std::mt19937_64 random(21);
  const auto before = simulated_runs(random, 4, {.between = 0.002, .within = 0.001}, "old");
  const auto after = simulated_runs(random, 4, {.between = 0.002, .within = 0.001, .shift = 0.02}, "new");
  const Comparison wide = compare_runs(before, after, 0.05), narrow = compare_runs(before, after, 0.005);
  CHECK(wide.change == Change::none);
  CHECK(wide.mean.ci_low > 0);
  CHECK(narrow.change == Change::slower);
}

TEST_CASE("the growth is located: a rank, a node, everywhere") {
  const Topology topology = small_plan().topology;
  const auto before = four_runs(2e6, 4e6, 1);
  auto after = four_runs(2e6, 6e6, 2);
  slow_down(after, 3, 2, 2e6);
  auto found = locate(before, after, topology);
  REQUIRE(found.has_value());
  CHECK(found->where == Location::Where::place);
  CHECK(found->rank == 3);
  CHECK(found->node == 1);
  CHECK(found->phase == "backward");
  CHECK(found->growth_ns == Approx(2e6));
  CHECK(found->share == Approx(1).epsilon(0.01));
  CHECK_THAT(found->text, Catch::Contains("node1 (rank 3): backward +2 ms") && Catch::Contains("among 4 ranks"));

  auto node = four_runs(2e6, 6e6, 3);
  slow_down(node, 0, 1, 2e6);
  slow_down(node, 1, 1, 1.9e6);
  found = locate(before, node, topology);
  REQUIRE(found.has_value());
  CHECK(found->node == 0);
  CHECK(found->rank == -1);

  found = locate(before, four_runs(2e6, 6e6, 4), topology);  // all wait longer
  REQUIRE(found.has_value());
  CHECK(found->where == Location::Where::everywhere);
  CHECK(found->node == -1);
  CHECK(found->phase == "exposed_comm");
  CHECK_THAT(found->text, Catch::Contains("network"));

  found = locate(before, four_runs(3e6, 4e6, 5), topology);  // all compute longer
  REQUIRE(found.has_value());
  CHECK(found->where == Location::Where::everywhere);
  CHECK(found->phase == "backward");
  CHECK_THAT(found->text, Catch::Contains(", forward +"));

  found = locate(after, before, topology);  // it became well again
  REQUIRE(found.has_value());
  CHECK(found->rank == 3);
  CHECK(found->growth_ns == Approx(-2e6));
  CHECK_FALSE(locate(before, before, topology).has_value());
  CHECK_FALSE(locate({}, before, topology).has_value());
}

TEST_CASE("too few runs name no rank, but say what all ranks share") {
  const Topology topology = small_plan().topology;
  const auto before = four_runs(2e6, 4e6, 1);
  auto after = four_runs(2e6, 6e6, 2);
  slow_down(after, 3, 2, 2e6);
  const auto found = locate(std::span(before).first(2), std::span(after).first(2), topology);
  REQUIRE(found.has_value());
  CHECK(found->where == Location::Where::unknown);
  CHECK(found->node == -1);
  CHECK_THAT(found->text, Catch::Contains("cannot be told") && Catch::Contains("3 + 3"));
  const auto longer = four_runs(3e6, 4e6, 5);
  CHECK(locate(std::span(before).first(1), std::span(longer).first(1), topology)->where == Location::Where::everywhere);
}

TEST_CASE("a rank that varies from run to run is not named for a change of all") {
  constexpr int kComparisons = 100;
  constexpr int kMost = 12;  // at 5 %, three standard errors above
  CHECK(innocents_named({.ranks = 8, .multiplied = 0.02}, kComparisons) <= kMost);
  CHECK(innocents_named({.ranks = 64, .multiplied = 0.02}, kComparisons) <= kMost);
  CHECK(innocents_named({.ranks = 64, .heavy_tails = true, .common = 0.01, .multiplied = 0.02}, kComparisons) <= kMost);
  CHECK(innocents_named({.ranks = 8, .common = 0.01, .unequal = true, .multiplied = 0.1}, kComparisons) <= kMost);
  CHECK(innocents_named({.ranks = 8, .common = 0.01, .unequal = true, .added_ns = 1e6}, kComparisons) <= kMost);
}

TEST_CASE("a rank that wanders from run to run is not named for a change of all") {
  constexpr int kComparisons = 100, kMost = 12;  // at 5 %, three standard errors above
  const auto days = [](int ranks, int runs, double autocorrelation) {
    return Days{.ranks = ranks, .before = runs, .after = runs, .autocorrelation = autocorrelation, .multiplied = 0.02};
  };
  CHECK(innocents_named(days(4, 8, 0.5), kComparisons) <= kMost);
  CHECK(innocents_named(days(64, 4, 0.5), kComparisons) <= kMost);
  CHECK(innocents_named(days(64, 4, 0.9), kComparisons) <= kMost);
  CHECK(slow_node_found({.ranks = 8, .autocorrelation = 0.5, .slow_node = 5, .slow_ns = 1e6}, 100) >= 95);
}

TEST_CASE("a node that became slower is named among its like") {
  CHECK(slow_node_found({.ranks = 8, .slow_node = 5, .slow_ns = 1e6}, 100) >= 95);
  CHECK(slow_node_found({.ranks = 64, .ranks_per_node = 8, .common = 0.01, .slow_node = 5, .slow_ns = 1e6}, 50) >= 45);
}

TEST_CASE("hosts are matched by name, in whatever order a batch system gives them") {
  const auto plan_with = [](const std::vector<std::string>& names) {
    Plan plan = small_plan(8, false);
    plan.topology.nodes.clear();
    for (int i = 0; i < 4; ++i) plan.topology.nodes.push_back({});
    for (int i = 0; i < 4; ++i) {
      Node& node = plan.topology.nodes[static_cast<std::size_t>(i)];
      node.index = i, node.name = names[static_cast<std::size_t>(i)], node.ranks = {2 * i, 2 * i + 1};
    }
    return plan;
  };
  std::mt19937_64 random(33);
  // Host "c" became slower; the new runs have the hosts in another order.
  const Days days{.ranks = 8, .ranks_per_node = 2, .noise = 0.002, .slow_node = 2, .slow_ns = 2e6};
  const std::vector<std::string> names{"a", "b", "c", "d"};
  const std::vector<int> order{3, 2, 0, 1};  // of the new runs: d, c, a, b
  const auto compared = [&](const std::vector<std::string>& new_names) {
    std::vector<ComparedRun> runs = simulate_days(random, days);
    for (std::size_t i = 0; i < runs.size(); ++i) {
      ComparedRun& run = runs[i];
      const bool later = i >= 4;
      run.directory = "run" + std::to_string(i);
      run.plan = plan_with(later ? new_names : names);
      for (const double noise : {-0.001, 0.001, 0.002 * static_cast<double>(i % 3)})
        run.baseline.push_back({1, 1e7 * (later ? 1.2 : 1) * (1 + noise), 1e7});
      std::vector<RankPhases> phases;
      for (int node = 0; node < 4; ++node) {
        const int was = later ? order[static_cast<std::size_t>(node)] : node;
        for (int k = 0; k < 2; ++k) {
          phases.push_back(run.phases[static_cast<std::size_t>(2 * was + k)]);
          phases.back().rank = 2 * node + k, phases.back().node = node;
        }
        run.environments[node] =
            Json{{"hostname", names[static_cast<std::size_t>(was)]}, {"memory_bytes", 1e9 * (was + 1)}};
      }
      run.phases = phases;
    }
    return compare_runs(std::span(runs).first(4), std::span(runs).subspan(4), 0.05);
  };
  const Comparison same = compared({"d", "c", "a", "b"});
  CHECK(same.change == Change::slower);
  CHECK(same.environment.differences.empty());
  REQUIRE(same.location);
  CHECK(same.node_names.at(static_cast<std::size_t>(same.location->node)) == "c");
  CHECK_THAT(same.location->text, Catch::StartsWith("c (all its ranks)"));
  CHECK(std::none_of(same.reasons.begin(), same.reasons.end(),
                     [](const std::string& reason) { return reason.find("hosts are the same") != std::string::npos; }));
  const Comparison three = compared({"d", "c", "a", "e"});  // another machine in the place of b
  CHECK(std::any_of(three.reasons.begin(), three.reasons.end(), [](const std::string& reason) {
    return reason.find("only 3 of 4 hosts are the same") != std::string::npos;
  }));
}

TEST_CASE("a cost is said where steps are shown to take longer, with the interval of the shift, and nowhere else") {
  std::mt19937_64 random(41);
  const auto before = simulated_runs(random, 6, {.between = 0.01}, "old");
  const auto compared = [&](double shift, int runs = 6) {
    const auto after = simulated_runs(random, runs, {.between = 0.01, .shift = shift}, "new");
    return compare_runs(std::span(before).first(static_cast<std::size_t>(runs)), after, 0.05);
  };
  Comparison slower = compared(0.2);
  REQUIRE(slower.change == Change::slower);
  REQUIRE(slower.cost);
  const auto lost = [](double shift) { return 7 * 1000 * shift / (1 + shift); };
  CHECK(slower.cost->estimate == Approx(lost(slower.mean.estimate)));
  CHECK(slower.cost->low == Approx(lost(slower.mean.ci_low)));
  CHECK(slower.cost->high == Approx(lost(slower.mean.ci_high)));
  CHECK(to_json(slower)["cost"]["text"] == slower.cost->text);

  // Of a fleet: all of its nodes where no node is named, one where one is, or as many as somebody says.
  const Fleet fleet{.gpus = 8000, .gpus_per_node = 8, .jobs = {{800, 1.0}}};
  set_fleet(slower, fleet, std::nullopt);
  CHECK(slower.cost->estimate == Approx(8 * lost(slower.mean.estimate)));
  CHECK_THAT(slower.cost->text, Catch::Contains("of 8000 GPUs (1000 with it of 1000 nodes; 100 % of the time"));
  CHECK(to_json(slower)["cost"]["gpus"] == 8000);
  slower.location = Location{.where = Location::Where::place, .node = 1};
  set_fleet(slower, fleet, std::nullopt);
  CHECK_THAT(slower.cost->text, Catch::Contains("(1 with it of 1000 nodes"));
  CHECK(slower.cost->estimate == Approx(8 * lost(slower.mean.estimate) * (1 - std::pow(0.999, 100))));
  set_fleet(slower, fleet, 3);
  CHECK_THAT(slower.cost->text, Catch::Contains("(3 with it of 1000 nodes"));

  for (Comparison other : {compared(-0.2), compared(0), compared(0.2, 1)}) {
    CAPTURE(to_string(other.change));
    set_fleet(other, fleet, std::nullopt);
    CHECK_FALSE(other.cost);
    CHECK(to_json(other)["cost"].is_null());
  }
}

TEST_CASE("only the same thing is compared") {
  std::mt19937_64 random(22);
  auto runs = simulated_runs(random, 2, {}, "run");
  const std::span<const ComparedRun> before(runs.data(), 1), after(runs.data() + 1, 1);
  for (ComparedRun& run : runs) run.plan.workload = {"ddp", {{"scale", 0.02}, {"model", "gpt2-small"}}};
  CHECK(check_comparable(before, after, false).has_value());
  CHECK_FALSE(check_comparable(before, before, true).has_value());  // a run is not another one
  runs[1].plan.workload.params["scale"] = 0.05;
  const auto refused = check_comparable(before, after, false);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().kind == ErrorKind::usage);
  CHECK_THAT(refused.error().message, Catch::Contains("workload parameter scale: 0.02 against 0.05"));
  CHECK(check_comparable(before, after, true).has_value());
  runs[1].plan = runs[0].plan;
  runs[1].plan.topology.nodes.pop_back();
  CHECK_THAT(check_comparable(before, after, false).error().message, Catch::Contains("nodes: 2 against 1"));
  runs[1].plan = runs[0].plan;
  const auto ranks = static_cast<int>(rank_count(runs[1].plan.topology));
  runs[1].plan.mesh = Mesh::over({{Axis::pp, ranks}}, ranks).value();
  CHECK_THAT(check_comparable(before, after, false).error().message,
             Catch::Contains(fmt::format("mesh: dp {0} against pp {0}", ranks)));
  runs[1].plan.mesh = Mesh::over({}, ranks).value();
  CHECK(check_comparable(before, after, false).has_value());
  runs[1].plan = runs[0].plan;
  runs[1].plan.faults = small_plan().faults;
  CHECK(check_comparable(before, after, false).has_value());
  const auto noted = other_differences(runs[0].plan, runs[1].plan);
  REQUIRE(noted.size() == 1);
  CHECK_THAT(noted[0], Catch::Contains("link_flap on node 1"));
}

TEST_CASE("a run is read from its directory") {
  RunDirectories directories;
  const Plan plan = small_plan();
  const auto records = records_of(plan, steps_slowed_by(0.5));
  const auto whole = directories.add("whole", plan, records, events_of(plan), {{"kernel", {{"release", "6.1"}}}});
  const auto run = read_compared_run(whole / "");
  REQUIRE(run.has_value());
  CHECK(run->baseline.size() == 8);
  CHECK(run->fault.size() == 8);
  CHECK(run->fault[0].mean_ns > 1.4 * run->baseline[0].mean_ns);
  CHECK(run->started_utc == "20261125T081500Z");
  CHECK(run->phases.size() == 4);
  CHECK(run->environments.size() == 2);
  CHECK(run->environments.at(0)["kernel"]["release"] == "6.1");
  CHECK(run->environments.at(0)["grit"]["commit"] == "abc");
  CHECK(run->remarks.empty());
  CHECK(run_point(*run).mean_ns == Approx(1e7).epsilon(0.01));
}

TEST_CASE("fault blocks are compared when both had the same fault") {
  RunDirectories directories;
  const Plan plan = small_plan();
  const auto one =
      read_compared_run(directories.add("one", plan, records_of(plan, steps_slowed_by(0.5)), events_of(plan)));
  const auto two =
      read_compared_run(directories.add("two", plan, records_of(plan, steps_slowed_by(0.8)), events_of(plan)));
  REQUIRE((one.has_value() && two.has_value()));
  const Comparison same = compare_runs({&*one, 1}, {&*two, 1}, 0.05);
  REQUIRE(same.under_fault.has_value());
  CHECK(same.under_fault->estimate == Approx(0.2).epsilon(0.01));
  CHECK(std::abs(same.mean.estimate) < 0.001);
  const Plan healthy = small_plan(8, false);
  const auto other =
      read_compared_run(directories.add("other", healthy, records_of(healthy, steps_slowed_by(0)), events_of(healthy)));
  CHECK_FALSE(compare_runs({&*one, 1}, {&*other, 1}, 0.05).under_fault.has_value());
}

TEST_CASE("torn and missing files are said, or are remarks") {
  RunDirectories directories;
  const Plan plan = small_plan();
  auto records = records_of(plan, steps_slowed_by(0));
  const auto refused = [](const std::filesystem::path& directory) {
    const auto run = read_compared_run(directory);
    REQUIRE_FALSE(run.has_value());
    CHECK(run.error().kind == ErrorKind::usage);
    return run.error().message;
  };
  CHECK_THAT(refused(directories.path() / "nowhere"), Catch::Contains("not a run directory"));
  const auto broken = directories.add("broken", plan, records, {});
  std::ofstream(broken / "plan.json") << "{";
  CHECK_THAT(refused(broken), Catch::Contains("plan.json"));
  const auto stepless = directories.add("stepless", plan, records, {});
  std::filesystem::remove(stepless / "steps.npy");
  CHECK_THAT(refused(stepless), Catch::Contains("cannot be compared"));
  CHECK_THAT(refused(directories.add("short", plan, {records.begin(), records.begin() + 90}, {})),
             Catch::Contains("whole baseline block"));

  // Cut off in the fourth baseline block: it has the blocks before it.
  std::erase_if(records, [&](const StepRecord& record) { return record.block > 7; });
  const auto torn = directories.add("torn", plan, records, {});
  std::filesystem::resize_file(torn / "steps.npy", std::filesystem::file_size(torn / "steps.npy") - 50);
  std::filesystem::remove(torn / "env" / "node1.json");
  std::filesystem::remove(torn / "run.json");
  const auto run = read_compared_run(torn);
  REQUIRE(run.has_value());
  CHECK(run->baseline.size() >= 3);
  CHECK(run->baseline.size() < 8);
  CHECK(run->environments.size() == 1);
  REQUIRE(run->remarks.size() >= 2);
  CHECK_THAT(run->remarks.back(), Catch::Contains("env/node1.json"));
}
