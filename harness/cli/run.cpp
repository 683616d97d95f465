// grit run: a scenario from the Lua file to the verdict.
#include <fmt/format.h>

#include <memory>

#include "harness/cli/commands.hpp"
#include "harness/cli/scenario_options.hpp"
#include "harness/run/series.hpp"
#include "harness/run/session.hpp"

namespace grit {
namespace {

struct RunCommand {
  ScenarioOptions options{};
  std::string out{};
  int port = 0;
  bool json = false;
  std::vector<std::string> baselines{};

  [[nodiscard]] Execution execution(Plan plan, const Scenario& scenario) const {
    return Execution{.plan = std::move(plan),
                     .scenario_source = scenario.source,
                     .scenario_file = scenario.file,
                     .run_directory = out,
                     .command_line = command_line(),
                     .json = json,
                     .baselines = {baselines.begin(), baselines.end()},
                     .port = port};
  }

  /// For a scenario with `search` or `drive`.
  [[nodiscard]] Result<SeriesSetup> series(LoadedScenario loaded, const Topology& topology) const {
    if (!baselines.empty())
      return usage_error(
          "--baseline: the trials of a series differ from each other, so there is nothing to compare the series with; "
          "compare one of its trials afterwards: grit compare OLD SERIES/trials/001");
    GRIT_TRY(Overrides sets, options.overrides());
    GRIT_TRY(const Allowed allowed, options.allow.allowed());
    return SeriesSetup{.loaded = std::move(loaded),
                       .sets = std::move(sets),
                       .seed = options.choose_seed(),
                       .allowed = allowed,
                       .topology = topology,
                       .directory = out,
                       .command_line = command_line(),
                       .json = json,
                       .port = port};
  }

  [[nodiscard]] std::vector<std::string> command_line() const {
    std::vector<std::string> words{"grit", "run", options.scenario};
    for (const std::string& set : options.sets) words.insert(words.end(), {"--set", set});
    if (options.nodes) words.insert(words.end(), {"-n", std::to_string(*options.nodes)});
    if (options.ranks_per_node)
      words.insert(words.end(), {"--ranks-per-node", std::to_string(*options.ranks_per_node)});
    if (options.pairs) words.insert(words.end(), {"--pairs", std::to_string(*options.pairs)});
    if (port != 0) words.insert(words.end(), {"--port", std::to_string(port)});
    for (const std::string& baseline : baselines) words.insert(words.end(), {"--baseline", baseline});
    const std::vector<std::string> allowed = options.allow.words();
    words.insert(words.end(), allowed.begin(), allowed.end());
    return words;
  }

  [[nodiscard]] Result<int> run_locally() const {
    GRIT_TRY(LoadedScenario loaded, options.load());
    GRIT_TRY(const Topology topology, options.local_topology_or_error());
    if (is_series(loaded.search)) {
      GRIT_TRY(const SeriesSetup setup, series(std::move(loaded), topology));
      return run_series_on_local_cluster(setup);
    }
    GRIT_TRY(Plan plan, options.plan(loaded.scenario, topology));
    return execute_on_local_cluster(execution(std::move(plan), loaded.scenario));
  }

  /// Rank 0 loads and plans; the others only hear how it went.
  [[nodiscard]] Result<int> run_by(const Job& job) const {
    if (options.nodes || options.ranks_per_node)
      return usage_error(
          "-n and --ranks-per-node make a local cluster; under an MPI launcher, its own -n and host list decide");
    GRIT_TRY(const Topology topology, discover_topology(job, out.empty() ? "runs" : out));
    Execution mine;
    SeriesSetup setup;
    const auto load_and_plan = [&]() -> Status {
      GRIT_TRY(LoadedScenario loaded, options.load());
      if (is_series(loaded.search)) {
        GRIT_TRY(setup, series(std::move(loaded), topology));
        return {};
      }
      GRIT_TRY(Plan plan, options.plan(loaded.scenario, topology));
      mine = execution(std::move(plan), loaded.scenario);
      return {};
    };
    GRIT_CHECK(job.first(load_and_plan));
    const std::string what = job.broadcast(is_series(setup.loaded.search) ? "series" : "run");
    return what == "series" ? run_series_under_mpi(job, setup) : execute_under_mpi(job, mine);
  }

  [[nodiscard]] Result<int> operator()() const {
    GRIT_TRY(const bool in_job, started_by_mpi());
    if (!in_job) return run_locally();
    return run_in_job([this](const Job& job) { return run_by(job); });
  }
};

}  // namespace

void add_run(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("run", "run a scenario, or a series of its trials, and give a verdict");
  command->footer(
      "examples: grit run link_flap --help                    its options\n"
      "          grit run link_flap --node 2 --down 1500ms -n 4 --seed 7\n"
      "          grit run scenarios/link_flap.lua --pairs 2   a quick look, without a verdict");
  auto run = std::make_shared<RunCommand>();
  run->options.add_to(*command);
  command->add_option("--out", run->out, "the run directory (default: runs/<scenario>/<UTC time>-<seed>)");
  command
      ->add_option("--baseline", run->baselines,
                   "an older run of the same thing, to compare this one with at its end; may be given several times")
      ->allow_extra_args(false);
  add_port_option(*command, run->port);
  command->add_flag("--json", run->json, "print verdict.json on standard output and nothing else");
  command->callback([run, &action] { action = [run] { return (*run)(); }; });
}

}  // namespace grit
