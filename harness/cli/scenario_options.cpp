#include "harness/cli/scenario_options.hpp"

#include <fmt/format.h>

#include <limits>
#include <random>

#include "harness/base/shortened.hpp"
#include "harness/cli/arguments.hpp"
#include "harness/cli/scenario_words.hpp"
#include "harness/cli/shipped_scenarios.hpp"
#include "harness/cluster/local.hpp"
#include "harness/run/series.hpp"
#include "harness/scenario/planner.hpp"

namespace grit {
namespace {

constexpr std::uint64_t kMostPairs = 1000;         // as in a scenario
constexpr std::uint64_t kMostVictims = 1'000'000;  // more nodes than any cluster has

}  // namespace

void AllowOptions::add_to(CLI::App& command) {
  const std::string group = "guard rails";
  command.add_flag("--allow-management", management, "let faults act on interfaces that carry management traffic")
      ->group(group);
  command.add_flag("--allow-destructive", destructive, "let faults end what does not come back")->group(group);
  command.add_flag("--allow-command", commands, "let the scenario run commands")->group(group);
  command.add_flag("--allow-gpu-settings", gpu_settings, "let faults change clocks and power limits of GPUs")
      ->group(group);
  add_number(
      command, "--max-victims", {1, kMostVictims}, [this](auto count) { max_victims = static_cast<int>(count); },
      "nodes with a fault at the same time (default: 16; all of a local cluster)")
      ->group(group);
  command
      .add_option("--free-memory", free_memory,
                  "what faults must leave, e.g. 512MiB (default: 1GiB, or 5% of the machine where that is less)")
      ->group(group);
}

Result<Allowed> AllowOptions::allowed() const {
  Allowed allowed{management, destructive, commands, max_victims};
  allowed.gpu_settings = gpu_settings;
  if (free_memory.empty()) return allowed;
  auto bytes = parse_quantity(free_memory, Unit::bytes);
  if (!bytes) return with_context(std::move(bytes).error(), "--free-memory");
  allowed.free_memory_bytes = bytes->get<std::int64_t>();
  return allowed;
}

std::vector<std::string> AllowOptions::words() const {
  std::vector<std::string> words;
  if (management) words.emplace_back("--allow-management");
  if (destructive) words.emplace_back("--allow-destructive");
  if (commands) words.emplace_back("--allow-command");
  if (gpu_settings) words.emplace_back("--allow-gpu-settings");
  if (max_victims > 0) words.insert(words.end(), {"--max-victims", std::to_string(max_victims)});
  if (!free_memory.empty()) words.insert(words.end(), {"--free-memory", free_memory});
  return words;
}

void add_port_option(CLI::App& command, int& port) {
  add_number(
      command, "--port", {1, 65535}, [&port](auto number) { port = static_cast<int>(number); },
      "the TCP port of the first node at which the agents of all nodes report (default: any free one)");
}

void ScenarioOptions::add_to(CLI::App& command) {
  command
      .add_option("scenario", scenario,
                  "the Lua file, or the name of one that comes with grit (grit list scenarios), e.g. link_flap")
      ->required();
  add_flags_to(command);
}

void ScenarioOptions::add_flags_to(CLI::App& command) {
  command_ = &command;
  command
      .add_option("--set", sets,
                  "an option of the scenario (SCENARIO --help shows them), e.g. --set node=2; also as --node 2")
      ->allow_extra_args(false);
  add_number(
      command, "-n,--nodes", {kMinLocalNodes, kMaxLocalNodes}, [this](auto count) { nodes = static_cast<int>(count); },
      "nodes of the local cluster, 2 to 64 (default: fits this machine)");
  add_number(
      command, "--ranks-per-node", {1, kMaxClusterRanks / kMinLocalNodes},
      [this](auto count) { ranks_per_node = static_cast<int>(count); },
      "ranks on each node of the local cluster (default: 1)");
  add_number(
      command, "--seed", {0, std::numeric_limits<std::uint64_t>::max()}, [this](auto number) { seed = number; },
      "for every random choice; the same seed gives the same plan (default: a new one)");
  add_number(
      command, "--pairs", {1, kMostPairs}, [this](auto count) { pairs = static_cast<int>(count); },
      "so many pairs of blocks and no more, for a quick look: below 6 there is no verdict (default: the scenario's)");
  allow.add_to(command);
}

Result<Overrides> ScenarioOptions::overrides() const {
  Overrides overrides;
  for (const std::string& set : sets) {
    const std::size_t equals = set.find('=');
    if (equals == std::string::npos || equals == 0)
      return usage_error(fmt::format("--set {}: write it as name=value, e.g. --set down=1500ms", shortened(set)));
    overrides.emplace_back(set.substr(0, equals), set.substr(equals + 1));
  }
  return overrides;
}

Result<FoundScenario> ScenarioOptions::find() const {
  FoundScenario found;
  GRIT_TRY(found.sets, overrides());
  GRIT_TRY(const std::filesystem::path file, find_scenario(scenario));
  found.file = file.string();
  GRIT_TRY(found.source, read_scenario(file));
  if (found.sets.empty()) return found;
  GRIT_TRY(const ScenarioBrief brief, brief_of_scenario(found.file, found.source));
  for (const auto& [name, value] : found.sets) GRIT_CHECK(check_scenario_option(*command_, brief, name));
  return found;
}

Result<LoadedScenario> ScenarioOptions::load() const {
  GRIT_TRY(const FoundScenario found, find());
  GRIT_TRY(LoadedScenario loaded, evaluate_scenario(found.file, found.source, found.sets));
  if (!pairs) return loaded;
  if (is_series(loaded.search))
    return usage_error("--pairs is for one run, and this scenario is a series of trials, each of its own length");
  loaded.scenario.design.pairs = *pairs;
  loaded.scenario.design.max_pairs = 0;
  return loaded;
}

std::uint64_t ScenarioOptions::choose_seed() const { return seed ? *seed : std::random_device{}() % 999'999 + 1; }

Result<Plan> ScenarioOptions::plan(const Scenario& loaded, const Topology& topology) const {
  GRIT_TRY(const Allowed allowed, allow.allowed());
  return make_plan(loaded, topology, PlanRequest{.seed = choose_seed(), .allowed = allowed});
}

Result<Topology> ScenarioOptions::local_topology_or_error() const {
  const int count = nodes.value_or(default_local_nodes());
  const int ranks = ranks_per_node.value_or(1);
  GRIT_CHECK(check_local_size(count, ranks));
  return local_topology(count, ranks);
}

}  // namespace grit
