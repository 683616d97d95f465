// grit replay: runs the plan of an earlier run again, to the letter. Needs no Lua.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>

#include "harness/base/files.hpp"
#include "harness/base/shell_words.hpp"
#include "harness/cli/commands.hpp"
#include "harness/cli/scenario_options.hpp"
#include "harness/model/imported_job.hpp"
#include "harness/model/same_nodes.hpp"
#include "harness/record/run_dir.hpp"
#include "harness/run/execution.hpp"
#include "harness/run/session.hpp"
#include "injectors/traits.hpp"

namespace grit {
namespace {

struct ReplayCommand {
  std::string run{};
  std::string out{};
  int port = 0;
  bool json = false;
  AllowOptions allow{};

  [[nodiscard]] std::vector<std::string> command_line() const {
    std::vector<std::string> words{"grit", "replay", run};
    if (port != 0) words.insert(words.end(), {"--port", std::to_string(port)});
    const std::vector<std::string> allowed = allow.words();
    words.insert(words.end(), allowed.begin(), allowed.end());
    return words;
  }

  /// What the earlier run was allowed is not allowed to this one: the flags must be given again.
  [[nodiscard]] Result<Execution> load() const {
    const std::filesystem::path directory = run;
    GRIT_TRY(const Json document, read_json(directory / "plan.json"));
    GRIT_TRY(Plan plan, plan_from_json(document));
    if (plan.workload.name == kImportedJob)
      return usage_error(
          fmt::format("{} was read from a job that ran without grit: only that job can be run again", run));
    if (plan.attempt > 1)
      return usage_error(
          fmt::format("{} is attempt {} of a run, which went on from a checkpoint that is gone: replay "
                      "the run, whose directory is two above",
                      run, plan.attempt));
    GRIT_TRY(plan.allowed, allow.allowed());
    plan.guards = guard_rails(plan);
    GRIT_TRY(std::string source, read_file(directory / "scenario.lua"));
    return Execution{.plan = std::move(plan),
                     .scenario_source = std::move(source),
                     .scenario_file = (directory / "scenario.lua").string(),
                     .run_directory = out,
                     .command_line = command_line(),
                     .json = json,
                     .port = port};
  }

  /// The plan names devices, and its peers' addresses: on other nodes those are somebody else's.
  [[nodiscard]] Status check_nodes(const Plan& plan, const Topology& here) const {
    if (plan.topology.local_cluster)
      return usage_error(fmt::format("{} ran on a local cluster; replay it there, without a launcher: grit replay {}",
                                     run, shell_word(run)));
    const auto differences = node_differences(plan.topology, here);
    if (differences.empty()) return {};
    constexpr std::size_t kNamed = 5;
    const auto named = std::min(differences.size(), kNamed);
    return usage_error(
        fmt::format("the plan of {} is for other nodes: {}{}. A replay repeats devices and addresses to the letter, so "
                    "start it on the "
                    "same hosts in the same order; or run the scenario anew here: grit run {} --seed {}",
                    run, fmt::join(differences.begin(), differences.begin() + static_cast<std::ptrdiff_t>(named), "; "),
                    named < differences.size() ? fmt::format("; and {} more", differences.size() - named) : "",
                    (std::filesystem::path(run) / "scenario.lua").string(), plan.seed));
  }

  [[nodiscard]] Result<int> replay_by(const Job& job) const {
    GRIT_TRY(Topology here, discover_topology(job, out.empty() ? "runs" : out));
    Execution mine;
    const auto load_and_check = [&]() -> Status {
      GRIT_TRY(mine, load());
      GRIT_CHECK(check_nodes(mine.plan, here));
      mine.plan.topology = std::move(here);  // which interface carries the management traffic may have changed
      mine.plan.guards = guard_rails(mine.plan);
      return {};
    };
    GRIT_CHECK(job.first(load_and_check));
    return execute_under_mpi(job, mine);
  }

  [[nodiscard]] Result<int> operator()() const {
    GRIT_TRY(const bool in_job, started_by_mpi());
    if (in_job) return run_in_job([this](const Job& job) { return replay_by(job); });
    GRIT_TRY(const Execution execution, load());
    if (!execution.plan.topology.local_cluster)
      return usage_error(
          fmt::format("{} ran on real nodes; replay it there: mpirun ... grit replay {}", run, shell_word(run)));
    return execute_on_local_cluster(execution);
  }
};

}  // namespace

void add_replay(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("replay", "run the plan of an earlier run again");
  command->footer("example: grit replay runs/link_flap/20261123T081500Z-7");
  auto replay = std::make_shared<ReplayCommand>();
  command->add_option("run", replay->run, "the earlier run's directory")->required();
  command->add_option("--out", replay->out, "the new run directory");
  replay->allow.add_to(*command);
  add_port_option(*command, replay->port);
  command->add_flag("--json", replay->json, "print verdict.json on standard output and nothing else");
  command->callback([replay, &action] { action = [replay] { return (*replay)(); }; });
}

}  // namespace grit
