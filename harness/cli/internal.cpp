// Subcommands that grit starts itself: a rank of the local cluster, an agent, the recorder, Open MPI's launch agent.
#include <memory>

#include "harness/agent/agent.hpp"
#include "harness/agent/recorder_main.hpp"
#include "harness/cli/commands.hpp"
#include "harness/cluster/local.hpp"
#include "harness/run/execution.hpp"

namespace grit {

void add_internal(CLI::App& app, Action& action) {
  auto* rank = app.add_subcommand("rank", "a rank of the local cluster")->group("");
  auto directory = std::make_shared<std::string>();
  rank->add_option("run", *directory)->required();
  auto port = std::make_shared<int>(0);
  rank->add_option("port", *port)->required();
  rank->callback([=, &action] { action = [=] { return execute_rank(*directory, *port); }; });

  auto* agent = app.add_subcommand("agent", "a node's agent")->group("");
  agent->callback([&action] { action = []() -> Result<int> { return agent_main(); }; });

  auto* recorder = app.add_subcommand("recorder", "a run's recorder")->group("");
  recorder->callback([&action] { action = []() -> Result<int> { return recorder_main(); }; });

  auto* enter = app.add_subcommand("enter-node", "Open MPI's launch agent on the local cluster")->group("");
  enter->prefix_command();
  enter->callback(
      [enter, &action] { action = [words = enter->remaining()]() -> Result<int> { return enter_node_main(words); }; });
}

}  // namespace grit
