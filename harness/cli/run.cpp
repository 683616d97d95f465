// grit run: a scenario from the Lua file to the verdict.
#include <fmt/format.h>

#include <memory>

#include "harness/cli/commands.hpp"
#include "harness/cli/scenario_options.hpp"
#include "harness/run/session.hpp"

namespace grit {
namespace {

struct RunCommand {
  ScenarioOptions options{};
  std::string out{};
  bool json = false;

  [[nodiscard]] Execution execution(Plan plan, const Scenario& scenario) const {
    return Execution{.plan = std::move(plan),
                     .scenario_source = scenario.source,
                     .scenario_file = scenario.file,
                     .run_directory = out,
                     .command_line = command_line(),
                     .json = json};
  }

  [[nodiscard]] std::vector<std::string> command_line() const {
    std::vector<std::string> words{"grit", "run", options.scenario};
    for (const std::string& set : options.sets) words.insert(words.end(), {"--set", set});
    if (options.nodes != 0) words.insert(words.end(), {"-n", std::to_string(options.nodes)});
    if (options.allow_management) words.emplace_back("--allow-management");
    return words;
  }

  [[nodiscard]] Result<int> run_locally() const {
    GRIT_TRY(const Scenario scenario, options.load());
    GRIT_TRY(const Topology topology, options.local_topology_or_error());
    GRIT_TRY(Plan plan, options.plan(scenario, topology));
    return execute_on_local_cluster(execution(std::move(plan), scenario));
  }

  /// Rank 0 loads and plans; the others only hear how it went.
  [[nodiscard]] Result<int> run_in_job(const Job& job) const {
    if (options.nodes != 0)
      return usage_error("-n makes a local cluster; under an MPI launcher, its own -n and host list decide");
    GRIT_TRY(const Topology topology, discover_topology(job, out.empty() ? "runs" : out));
    Execution mine;
    Status planned;
    if (job.rank() == 0) {
      planned = [&]() -> Status {
        GRIT_TRY(const Scenario scenario, options.load());
        GRIT_TRY(Plan plan, options.plan(scenario, topology));
        mine = execution(std::move(plan), scenario);
        return {};
      }();
    }
    GRIT_CHECK(job.agree(planned));
    return execute_under_mpi(job, mine);
  }

  [[nodiscard]] Result<int> operator()() const {
    if (!started_by_mpi()) return run_locally();
    GRIT_TRY(const Job job, Job::init());
    auto code = run_in_job(job);
    // Every rank has the same error: one says it.
    if (!code && job.rank() != 0) return Failure(Error{code.error().kind, ""});
    return code;
  }
};

}  // namespace

void add_run(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("run", "run a scenario and give a verdict");
  command->footer("example: grit run scenarios/link_flap.lua --set node=2 --set down=5s -n 4 --seed 7");
  auto run = std::make_shared<RunCommand>();
  run->options.add_to(*command);
  command->add_option("--out", run->out, "the run directory (default: runs/<scenario>/<UTC time>-<seed>)");
  command->add_flag("--json", run->json, "print verdict.json on standard output and nothing else");
  command->callback([run, &action] { action = [run] { return (*run)(); }; });
}

}  // namespace grit
