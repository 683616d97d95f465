// The options that `run`, `plan` and `replay` share: which scenario, with what, where, and what the guard rails let
// pass.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/model/topology.hpp"
#include "harness/run/execution.hpp"
#include "harness/scenario/load.hpp"

namespace grit {

/// What the guard rails let pass; `run`, `plan` and `replay` take the same flags.
struct AllowOptions {
  bool management = false;
  bool destructive = false;
  bool commands = false;
  bool gpu_settings = false;
  int max_victims = 0;
  std::string free_memory{};

  void add_to(CLI::App& command);
  /// Error (usage): --free-memory is not an amount of memory.
  [[nodiscard]] Result<Allowed> allowed() const;
  /// The flags that were given, as typed.
  [[nodiscard]] std::vector<std::string> words() const;
};

/// --port of the commands that start or examine a job. 0, when it is not given: any free one.
void add_port_option(CLI::App& command, int& port);

/// The scenario that is meant, before it is evaluated.
struct FoundScenario {
  std::string file{};
  std::string source{};
  Overrides sets{};  // of options that it has
};

struct ScenarioOptions {
  std::string scenario{};
  std::vector<std::string> sets{};
  std::optional<int> nodes{};           // empty: fits this machine
  std::optional<int> ranks_per_node{};  // empty: 1
  std::optional<std::uint64_t> seed{};  // empty: a new one
  std::optional<int> pairs{};           // empty: what the scenario's design says
  AllowOptions allow{};

  void add_to(CLI::App& command);        // which must outlive this
  void add_flags_to(CLI::App& command);  // the same without the argument that names the scenario
  /// The --set overrides. Error (usage): one that is not k=v.
  [[nodiscard]] Result<Overrides> overrides() const;
  /// Finds the scenario and looks whether it has these options. Error (usage): there is none, or it has not.
  [[nodiscard]] Result<FoundScenario> find() const;
  /// Finds the scenario, and loads it with these and with --pairs. Error (usage): there is none, what is wrong in it or
  /// in these, or --pairs for a series.
  [[nodiscard]] Result<LoadedScenario> load() const;
  /// --seed, or a fresh one that is short enough to type.
  [[nodiscard]] std::uint64_t choose_seed() const;
  /// The plan for these nodes.
  [[nodiscard]] Result<Plan> plan(const Scenario& loaded, const Topology& topology) const;
  /// Error (usage): -n or --ranks-per-node that a local cluster cannot have.
  [[nodiscard]] Result<Topology> local_topology_or_error() const;

 private:
  const CLI::App* command_ = nullptr;
};

}  // namespace grit
