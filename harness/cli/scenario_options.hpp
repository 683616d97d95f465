// The options that `run` and `plan` share: which scenario, with what, where.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "harness/model/scenario.hpp"
#include "harness/model/topology.hpp"
#include "harness/run/execution.hpp"

namespace grit {

struct ScenarioOptions {
  std::string scenario{};
  std::vector<std::string> sets{};
  int nodes = 0;           // 0: fits this machine
  std::uint64_t seed = 0;  // 0: a new one
  bool allow_management = false;

  void add_to(CLI::App& command);
  /// Loads the scenario with the --set overrides. Error (usage): a --set that is not k=v, or what load_scenario says.
  [[nodiscard]] Result<Scenario> load() const;
  /// --seed, or a fresh one that is short enough to type.
  [[nodiscard]] std::uint64_t choose_seed() const;
  /// The plan for these nodes.
  [[nodiscard]] Result<Plan> plan(const Scenario& loaded, const Topology& topology) const;
  /// Error (usage): -n under mpirun, or outside 2..64.
  [[nodiscard]] Result<Topology> local_topology_or_error() const;
};

}  // namespace grit
