// grit resume: a series of trials or a burn-in that was cut off, by a reboot for example, goes on where it was.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>

#include "harness/agent/node_lock.hpp"
#include "harness/base/shell_words.hpp"
#include "harness/cli/arguments.hpp"
#include "harness/cli/commands.hpp"
#include "harness/cli/scenario_options.hpp"
#include "harness/cluster/local.hpp"
#include "harness/model/same_nodes.hpp"
#include "harness/record/run_dir.hpp"
#include "harness/run/series.hpp"
#include "harness/run/session.hpp"

namespace grit {
namespace {

struct ResumeCommand {
  std::string directory{};
  std::string cut_off{"ask"};
  int port = 0;
  bool json = false;
  bool apply_drain = false;
  std::string save_reference{};
  AllowOptions allow{};

  /// What the series was allowed is not allowed again by itself: the flags must be given anew.
  [[nodiscard]] Result<SeriesSetup> setup(const Topology& topology) const {
    const CutOff what = cut_off == "happened" ? CutOff::happened : cut_off == "repeat" ? CutOff::repeat : CutOff::ask;
    GRIT_TRY(Series earlier, take_up_series(directory, what));
    GRIT_TRY(const std::string source, read_scenario(std::filesystem::path(directory) / "scenario.lua"));
    GRIT_TRY(LoadedScenario loaded, evaluate_scenario(earlier.file, source, earlier.sets));
    const auto nodes = static_cast<int>(topology.nodes.size());
    if (nodes != earlier.nodes)
      return usage_error(fmt::format("that series had {} nodes, here are {}", earlier.nodes, nodes));
    GRIT_CHECK(check_nodes(topology));
    GRIT_TRY(const Allowed allowed, allow.allowed());
    return SeriesSetup{.loaded = std::move(loaded),
                       .sets = earlier.sets,
                       .seed = earlier.seed,
                       .allowed = allowed,
                       .topology = topology,
                       .directory = directory,
                       .command_line = earlier.command_line,
                       .json = json,
                       .port = port,
                       .earlier = std::move(earlier)};
  }

  /// Its trials are one measurement: those of other machines do not belong to it.
  [[nodiscard]] Status check_nodes(const Topology& here) const {
    const auto first = std::filesystem::path(directory) / trial_directory(1) / "plan.json";
    if (std::error_code unreadable; !std::filesystem::exists(first, unreadable)) return {};
    GRIT_TRY(const Json document, read_json(first));
    GRIT_TRY(const Plan plan, plan_from_json(document));
    const auto differences = name_differences(plan.topology, here);
    if (differences.empty()) return {};
    return usage_error(fmt::format(
        "the trials of {} ran on other nodes: {}. Resume it on the same hosts in the same "
        "order, or begin a new series: grit run {}",
        directory, fmt::join(differences, "; "), (std::filesystem::path(directory) / "scenario.lua").string()));
  }

  [[nodiscard]] Result<int> resume_by(const Job& job) const {
    GRIT_TRY(const Topology topology, discover_topology(job, directory));
    SeriesSetup mine;
    const auto take_up = [&]() -> Status {
      GRIT_TRY(mine, setup(topology));
      return {};
    };
    GRIT_CHECK(job.first(take_up));
    return run_series_under_mpi(job, mine);
  }

  [[nodiscard]] Result<int> operator()() const {
    std::error_code unreadable;
    const bool is_burnin = std::filesystem::exists(std::filesystem::path(directory) / "burnin.jsonl", unreadable);
    if (!is_burnin && (apply_drain || !save_reference.empty()))
      return usage_error(
          fmt::format("--apply-drain and --save-reference are of burn-ins, and there is none in {}", directory));
    GRIT_TRY(const bool in_job, started_by_mpi());
    if (in_job) return run_in_job([this](const Job& job) { return resume_by(job); });
    if (is_burnin)
      return resume_burnin({.directory = directory,
                            .json = json,
                            .may_run_commands = allow.commands,
                            .applies_drain = apply_drain,
                            .save_reference = save_reference});
    auto document = read_json(std::filesystem::path(directory) / "series.json");
    if (!document)
      return with_context(document.error(), directory + " is not the directory of a series or of a burn-in");
    GRIT_TRY(const Series series, series_from_json(*document));
    if (!series.local_cluster)
      return usage_error(
          fmt::format("{} is of real nodes; go on there: mpirun ... grit resume {}", directory, shell_word(directory)));
    SeriesSetup mine;
    {
      GRIT_TRY(const NodeLock lock, NodeLock::acquire());  // not while the series, or another run, is still going on
      GRIT_TRY(mine, setup(local_topology(series.nodes, series.ranks_per_node)));
    }
    return run_series_on_local_cluster(mine);
  }
};

}  // namespace

void add_resume(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("resume", "go on with a series of trials or a burn-in that was cut off");
  command->footer("example: grit resume runs/ethernet_above_30gbps/20261123T081500Z-7");
  auto resume = std::make_shared<ResumeCommand>();
  command->add_option("series", resume->directory, "the directory of the series or of the burn-in")->required();
  command
      ->add_option("--cut-off", resume->cut_off,
                   "an escalation's trial that was cut off with nothing to say why: it \"happened\" by its dose, or "
                   "\"repeat\" it")
      ->check(one_of({"ask", "happened", "repeat"}));
  resume->allow.add_to(*command);
  add_port_option(*command, resume->port);
  command->add_option("--save-reference", resume->save_reference,
                      "of a burn-in: where to write what a later one is held against (default: as it was begun)");
  command->add_flag("--apply-drain", resume->apply_drain,
                    "of a burn-in: drain bad nodes by scontrol at the end, whatever it was begun with");
  command->add_flag("--json", resume->json, "print verdict.json or burnin.json on standard output and nothing else");
  command->callback([resume, &action] { action = [resume] { return (*resume)(); }; });
}

}  // namespace grit
