// Subcommands that grit starts itself: a rank of the local cluster, an agent, the recorder, a process that
// loads a rank's data, Open MPI's launch agent, a cell of a burn-in.
#include <fmt/format.h>
#include <sys/stat.h>

#include <charconv>
#include <memory>

#include "harness/agent/agent.hpp"
#include "harness/agent/kept_process.hpp"
#include "harness/agent/recorder_main.hpp"
#include "harness/cli/commands.hpp"
#include "harness/cli/scenario_options.hpp"
#include "harness/cli/shipped_scenarios.hpp"
#include "harness/cluster/launch.hpp"
#include "harness/cluster/local.hpp"
#include "harness/run/execution.hpp"
#include "harness/run/measure.hpp"
#include "workloads/input_ring.hpp"

namespace grit {
namespace {

/// Somebody has typed one of these: what it would do is done by `grit run`.
Failure started_by_hand(std::string_view what) {
  return usage_error(
      fmt::format("grit starts {} itself: on a cluster of this machine with `grit run SCENARIO`, on real nodes with "
                  "`mpirun ... grit run SCENARIO`. What a run did is in its directory (`grit report RUN`), and `grit "
                  "revert` takes off what one has left behind",
                  what));
}

Result<int> rank(const std::string& directory, const std::string& port) {
  GRIT_TRY(const bool in_job, started_by_mpi());
  if (!in_job) return started_by_hand("the ranks of its local cluster");
  int number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc{} || end != port.data() + port.size()) return internal_error("a rank was given no port");
  return execute_rank(directory, number);
}

/// A process that reads a rank's training data; what it is to do is in memory that it inherits.
Result<int> input_worker(const std::string& number) {
  std::int64_t worker = 0;
  struct stat inherited {};
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), worker);
  if (error != std::errc{} || end != number.data() + number.size() || ::fstat(kInputRingFd, &inherited) != 0 ||
      ::fstat(kInputFileFd, &inherited) != 0)
    return started_by_hand("the processes that load a rank's data");
  return input_worker_main(worker);
}

/// A process that a rank keeps: it is configured over a socket which it inherits.
Result<int> kept_process(int (*process_main)(), std::string_view what) {
  struct stat inherited {};
  if (::fstat(kBootstrapFd, &inherited) != 0 || !S_ISSOCK(inherited.st_mode)) return started_by_hand(what);
  return process_main();
}

Result<int> measure_as_told(MeasureRequest request, const ScenarioOptions& options) {
  if (!options.scenario.empty()) {
    GRIT_TRY(const std::filesystem::path file, find_scenario(options.scenario));
    GRIT_TRY(request.sets, options.overrides());
    request.scenario = file.string();
  }
  return measure(request);
}

/// What measure_words() writes.
void add_measure(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("measure", "what a burn-in runs on its nodes")->group("");
  auto request = std::make_shared<MeasureRequest>();
  auto options = std::make_shared<ScenarioOptions>();
  command->add_option("--kinds", request->kinds)->delimiter(',');
  command->add_option("--hosts", request->hosts)->delimiter(',');
  command->add_option("--length-ns", request->length_ns);
  command->add_option("--directory", request->directory);
  command->add_option("--scenario", options->scenario);
  command->add_option("--set", options->sets)->allow_extra_args(false);
  command->add_option("--limit-ns", request->limit_ns);
  command->add_option("--checks-source", request->checks_source);
  command->add_option("--seed", request->seed);
  command->add_option("--burnin", request->burnin);
  command->add_option("--boots", request->boots)->delimiter(',');
  command->callback([=, &action] { action = [=] { return measure_as_told(*request, *options); }; });
}

}  // namespace

void add_internal(CLI::App& app, Action& action) {
  auto* of_rank = app.add_subcommand("rank", "a rank of the local cluster")->group("");
  auto directory = std::make_shared<std::string>();
  of_rank->add_option("run", *directory);
  auto port = std::make_shared<std::string>();
  of_rank->add_option("port", *port);
  of_rank->callback([=, &action] { action = [=] { return rank(*directory, *port); }; });

  auto* agent = app.add_subcommand("agent", "a node's agent")->group("");
  agent->callback([&action] { action = [] { return kept_process(agent_main, "a node's agent"); }; });

  auto* recorder = app.add_subcommand("recorder", "a run's recorder")->group("");
  recorder->callback([&action] { action = [] { return kept_process(recorder_main, "a run's recorder"); }; });

  auto* loader = app.add_subcommand("input-worker", "a process that loads a rank's data")->group("");
  auto number = std::make_shared<std::string>();
  loader->add_option("worker", *number);
  loader->callback([=, &action] { action = [=] { return input_worker(*number); }; });

  add_measure(app, action);

  auto* enter = app.add_subcommand("enter-node", "Open MPI's launch agent on the local cluster")->group("");
  enter->prefix_command();
  enter->callback(
      [enter, &action] { action = [words = enter->remaining()]() -> Result<int> { return enter_node_main(words); }; });
}

}  // namespace grit
