#include "tests/virtual/run.hpp"

#include <fmt/format.h>

#include "analysis/report/finish.hpp"
#include "analysis/series/search.hpp"
#include "analysis/series/trial.hpp"
#include "harness/base/files.hpp"
#include "harness/record/run_dir.hpp"
#include "harness/scenario/load.hpp"
#include "harness/scenario/planner.hpp"
#include "tests/catch.hpp"
#include "tests/virtual/cluster.hpp"

namespace grit::testing {
namespace {

template <class T>
T must(Result<T> result) {
  INFO((result ? std::string() : result.error().message));
  REQUIRE(result.has_value());
  return std::move(*result);
}

void must(const Status& status) {
  INFO((status ? std::string() : status.error().message));
  REQUIRE(status.has_value());
}

/// What harness/run writes down before and beside the steps.
void prepare_directory(const VirtualSetting& setting, const Plan& plan, const std::filesystem::path& directory) {
  must(create_run_directory(directory));
  const Json run{{"scenario", plan.scenario_name},
                 {"file", plan.scenario_name + ".lua"},
                 {"directory", "runs/" + plan.scenario_name},
                 {"command_line", {"grit", "run", plan.scenario_name + ".lua"}},
                 {"seed", plan.seed},
                 {"version", "0.0.0"},
                 {"commit", "0123456789ab"},
                 {"started_utc", setting.started_utc},
                 {"started_monotonic_ns", VirtualClock::kBegin_ns},
                 {"local_cluster", false},
                 {"verdict", nullptr}};
  must(write_file_durably(directory / "run.json", json_text(run, 1) + "\n"));
  must(write_file_durably(directory / "scenario.lua", setting.scenario));
  must(write_file_durably(directory / "plan.json", json_text(to_json(plan), 1) + "\n"));
  Json offsets = Json::array();
  for (const Node& node : plan.topology.nodes) {
    offsets.push_back({{"node", node.index}, {"offset_ns", 0}, {"bound_ns", 1000}, {"at_ns", VirtualClock::kBegin_ns}});
    const Json environment{{"hostname", node.name}, {"kernel", {{"release", node.kernel}}}};
    must(write_file_durably(directory / "env" / (node.name + ".json"), json_text(environment, 1) + "\n"));
  }
  must(
      write_file_durably(directory / "clock.json", json_text(Json{{"before", offsets}, {"after", offsets}}, 1) + "\n"));
}

VirtualRun run_trial(const VirtualSetting& setting, int trial, const Overrides& options,
                     const std::filesystem::path& directory) {
  const auto loaded = must(evaluate_scenario("virtual.lua", setting.scenario, options));
  PlanRequest request{.seed = setting.seed, .trial = trial};
  request.allowed.destructive = true;
  request.allowed.max_victims = setting.nodes;
  VirtualRun run;
  run.plan = must(make_plan(loaded.scenario, virtual_topology(setting.nodes, setting.ranks_per_node), request));
  prepare_directory(setting, run.plan, directory);
  VirtualCluster(setting, run.plan, directory).run();
  run.verdict = must(finish_run(directory));
  return run;
}

}  // namespace

Topology virtual_topology(int nodes, int ranks_per_node) {
  Topology topology;
  for (int index = 0; index < nodes; ++index) {
    Node node;
    node.index = index;
    node.name = fmt::format("node{}", index);
    for (int i = 0; i < ranks_per_node; ++i) node.ranks.push_back(index * ranks_per_node + i);
    node.cores = 16;
    node.numa_nodes = 1;
    node.memory_bytes = std::int64_t{64} << 30;
    node.cpu_model = "virtual";
    node.kernel = "6.1.0";
    const auto nic = [&](const char* name, int ifindex, NicRole role, const char* evidence) {
      Nic one;
      one.name = name;
      one.ifindex = ifindex;
      one.mac = fmt::format("02:00:00:00:{:02x}:{:02x}", ifindex, index + 1);
      one.driver = "virtual";
      one.speed_bits_per_s = 10'000'000'000;
      one.mtu_bytes = 1500;
      one.up = true;
      one.addresses = {fmt::format("10.77.{}.{}/24", ifindex, index + 1)};
      one.role = role;
      one.role_evidence = evidence;
      return one;
    };
    node.nics = {nic("eth0", 2, NicRole::data, "in the data network"),
                 nic("mgmt0", 3, NicRole::management, "carries the default route")};
    topology.nodes.push_back(std::move(node));
  }
  return topology;
}

VirtualRun run_virtually(const VirtualSetting& setting, const std::filesystem::path& directory) {
  return run_trial(setting, 0, setting.options, directory);
}

VirtualSeries search_virtually(const VirtualSetting& setting, const std::filesystem::path& directory) {
  const auto loaded = must(evaluate_scenario("virtual.lua", setting.scenario, setting.options));
  VirtualSeries made;
  Series& series = made.series;
  series.scenario = loaded.scenario.name;
  series.summary = loaded.scenario.summary;
  series.file = "virtual.lua";
  series.seed = setting.seed;
  series.nodes = setting.nodes;
  series.command_line = {"grit", "run", "virtual.lua"};
  for (const ScenarioFault& fault : loaded.scenario.faults) series.faults.push_back(fault.name);
  series.search = loaded.search;
  must(create_run_directory(directory));
  while (const auto request = next_trial(series)) {
    REQUIRE(series.trials.size() < 50);
    Trial trial{.number = static_cast<int>(series.trials.size()) + 1, .dose = request->dose, .why = request->why};
    if (trial.dose) trial.overrides = {{series.search.option, dose_text(series.search, *trial.dose)}};
    trial.begun_utc = setting.started_utc;
    auto options = setting.options;
    options.insert(options.end(), trial.overrides.begin(), trial.overrides.end());
    const auto of_trial = directory / trial_directory(trial.number);
    trial.result = must(trial_result(of_trial, run_trial(setting, trial.number, options, of_trial).verdict));
    series.trials.push_back(std::move(trial));
  }
  must(write_file_durably(directory / "series.json", json_text(to_json(series), 1) + "\n"));
  made.verdict = must(finish_series(directory));
  return made;
}

}  // namespace grit::testing
