#include "harness/cli/scenario_options.hpp"

#include <fmt/format.h>

#include <random>

#include "harness/cluster/local.hpp"
#include "harness/scenario/load.hpp"
#include "harness/scenario/planner.hpp"

namespace grit {

void ScenarioOptions::add_to(CLI::App& command) {
  command.add_option("scenario", scenario, "the Lua file, e.g. scenarios/link_flap.lua")->required();
  command.add_option("--set", sets, "an option of the scenario, e.g. --set node=2 --set down=5s")
      ->allow_extra_args(false);
  command.add_option("-n,--nodes", nodes, "nodes of the local cluster, 2 to 64 (default: fits this machine)");
  command.add_option("--seed", seed, "for every random choice; the same seed gives the same plan (default: a new one)");
  command.add_flag("--allow-management", allow_management,
                   "let faults act on interfaces that carry management traffic");
}

Result<Scenario> ScenarioOptions::load() const {
  std::vector<std::pair<std::string, std::string>> overrides;
  for (const std::string& set : sets) {
    const std::size_t equals = set.find('=');
    if (equals == std::string::npos || equals == 0)
      return usage_error(fmt::format("--set {}: write it as name=value, e.g. --set down=5s", set));
    overrides.emplace_back(set.substr(0, equals), set.substr(equals + 1));
  }
  return load_scenario(scenario, overrides);
}

std::uint64_t ScenarioOptions::choose_seed() const { return seed != 0 ? seed : std::random_device{}() % 999'999 + 1; }

Result<Plan> ScenarioOptions::plan(const Scenario& loaded, const Topology& topology) const {
  return make_plan(loaded, topology, PlanRequest{.seed = choose_seed(), .allow_management = allow_management});
}

Result<Topology> ScenarioOptions::local_topology_or_error() const {
  if (nodes == 0) return local_topology(default_local_nodes());
  if (nodes < kMinLocalNodes || nodes > kMaxLocalNodes)
    return usage_error(fmt::format("-n {}: a local cluster has {} to {} nodes", nodes, kMinLocalNodes, kMaxLocalNodes));
  return local_topology(nodes);
}

}  // namespace grit
