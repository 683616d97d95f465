// grit run: a scenario from the Lua file to the verdict.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <sstream>

#include "harness/base/clock.hpp"
#include "harness/base/files.hpp"
#include "harness/cli/commands.hpp"
#include "harness/cli/scenario_options.hpp"
#include "harness/cluster/host_list.hpp"
#include "harness/cluster/job_launcher.hpp"
#include "harness/cluster/launch.hpp"
#include "harness/record/latest_run.hpp"
#include "harness/run/host_attempts.hpp"
#include "harness/run/series.hpp"
#include "harness/run/session.hpp"

namespace grit {
namespace {

/// What was typed behind the program's name, without these options and their values.
Result<std::vector<std::string>> typed_without(const std::vector<std::string>& options) {
  GRIT_TRY(const std::string text, read_file("/proc/self/cmdline"));
  std::vector<std::string> words;
  std::istringstream stream(text);
  std::string word;
  std::getline(stream, word, '\0');
  while (std::getline(stream, word, '\0')) {
    const auto name = word.substr(0, word.find('='));
    if (std::find(options.begin(), options.end(), name) == options.end())
      words.push_back(word);
    else if (name == word)
      std::getline(stream, word, '\0');  // its value
  }
  return words;
}

struct RunCommand {
  ScenarioOptions options{};
  std::string hosts{};
  std::string launcher = "auto";
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

  /// Where the job may start again this process stays beside the launcher.
  [[nodiscard]] Result<int> run_with_restarts(const LoadedScenario& loaded, const JobLauncher& chosen,
                                              HostJob job) const {
    if (is_series(loaded.search))
      return usage_error("design.restarts: a series whose jobs start again runs on a local cluster only");
    Execution mine = execution(Plan(), loaded.scenario);
    if (out.empty()) {
      const std::uint64_t seed = options.choose_seed();
      const std::string name = fmt::format("{}-{}", utc_stamp(realtime_ns()), seed);
      mine.run_directory = std::filesystem::path("runs") / loaded.scenario.name / name;
      if (!options.seed) job.command.insert(job.command.end(), {"--seed", std::to_string(seed)});
      job.command.insert(job.command.end(), {"--out", std::filesystem::absolute(mine.run_directory).string()});
    }
    mine.run_directory = std::filesystem::absolute(mine.run_directory).lexically_normal();
    auto code = execute_on_hosts(mine, chosen, job);
    std::error_code unreadable;
    if (out.empty() && std::filesystem::exists(mine.run_directory / "run.json", unreadable))
      point_latest_at(mine.run_directory);
    return code;
  }

  /// This process becomes the launcher, which starts the same command on the hosts.
  [[nodiscard]] Result<int> run_on_hosts() const {
    if (options.nodes)
      return usage_error("--hosts names the nodes, and -n makes a local cluster of as many: give one of the two");
    GRIT_TRY(const std::unique_ptr<JobLauncher> chosen, make_job_launcher(launcher, {}));
    HostJob job;
    GRIT_TRY(job.hosts, hosts_of_option(hosts));
    job.ranks_per_node = options.ranks_per_node.value_or(1);
    if (job.ranks_per_node < 1) return usage_error("--ranks-per-node: at least 1");
    std::error_code failed;
    job.command = {std::filesystem::read_symlink("/proc/self/exe", failed).string()};
    if (failed) return internal_error("cannot read /proc/self/exe: " + failed.message());
    GRIT_TRY(const auto typed, typed_without({"--hosts", "--launcher", "--ranks-per-node"}));
    job.command.insert(job.command.end(), typed.begin(), typed.end());
    GRIT_TRY(const LoadedScenario loaded, options.load());
    if (loaded.scenario.design.restarts > 0) return run_with_restarts(loaded, *chosen, std::move(job));
    const auto words = chosen->words(job), environment = chosen->environment(job);
    ::execvpe(words.front().c_str(), exec_pointers(words).data(), exec_pointers(environment).data());
    return unavailable_error(fmt::format("cannot start {}: {}", words.front(), std::strerror(errno)));
  }

  [[nodiscard]] Result<int> operator()() const {
    GRIT_TRY(const bool in_job, started_by_mpi());
    if (in_job && !hosts.empty())
      return usage_error("--hosts starts a launcher, and an MPI launcher has started this process already");
    if (!hosts.empty()) return run_on_hosts();
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
      "          grit run scenarios/link_flap.lua --pairs 2   a quick look, without a verdict\n"
      "          grit run link_flap --hosts n[01-16] --ranks-per-node 8");
  auto run = std::make_shared<RunCommand>();
  run->options.add_to(*command);
  command->add_option("--hosts", run->hosts,
                      "run on these nodes instead of a local cluster: a host file, or a list like n[01-16,20]; needs "
                      "this grit on each of them");
  command
      ->add_option("--launcher", run->launcher,
                   "what starts it there: auto (srun inside an allocation, else mpirun), mpirun, srun")
      ->needs("--hosts");
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
