// A fleet on the command line: how many GPUs it has, in which jobs, and how many of its nodes are slow.
#pragma once

#include <optional>
#include <string>

#include "analysis/verdict/cost.hpp"
#include "harness/cli/arguments.hpp"

namespace grit {

struct FleetOptions {
  Fleet fleet{};                      // with its jobs after parse()
  std::optional<double> bad_nodes{};  // empty: not said
  std::string jobs{};                 // as typed; empty: no fleet is asked for

  /// --fleet and --jobs, which need each other, --bad-nodes and --gpus-per-node. `bad_nodes_default` is for the help.
  void add_to(CLI::App& command, const std::string& bad_nodes_default);
  [[nodiscard]] bool asked() const { return !jobs.empty(); }
  /// Before anything is judged: a wrong job mix is said at once.
  Status parse();
};

}  // namespace grit
