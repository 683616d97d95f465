// grit burnin: which nodes may go live.
#include <fmt/format.h>

#include <cstdlib>
#include <memory>
#include <random>

#include "harness/agent/node_lock.hpp"
#include "harness/base/clock.hpp"
#include "harness/base/files.hpp"
#include "harness/base/units.hpp"
#include "harness/burnin/front_end.hpp"
#include "harness/cli/arguments.hpp"
#include "harness/cli/commands.hpp"
#include "harness/cli/shipped_scenarios.hpp"
#include "harness/cluster/host_list.hpp"
#include "harness/cluster/job_launcher.hpp"
#include "harness/cluster/layout.hpp"
#include "harness/cluster/local.hpp"
#include "harness/record/run_dir.hpp"
#include "harness/run/job.hpp"
#include "harness/scenario/load.hpp"
#include "harness/scenario/load_burnin.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

// Of cells at a time, unless --parallel says otherwise: what a launcher carries, and what a machine of few cores does.
constexpr int kParallel = 64, kLocalParallel = 4;
constexpr std::uint64_t kMostSeed = 99'999;

Failure needs_allow_command() {
  return usage_error("--before runs a command of yours on this machine: allow it with --allow-command");
}

Failure drains_no_local_nodes() { return usage_error("--apply-drain is for nodes of Slurm, and these are none"); }

/// Of a round that is an ordinary run: is there such a scenario, and does it take these options? Else a cell of it
/// would say so, perhaps days later. Nodes are given a file's whole path.
Status settle_scenario(BurninRound& round) {
  if (round.scenario.empty()) return {};
  GRIT_TRY(const fs::path file, find_scenario(round.scenario));
  GRIT_TRY(const Scenario scenario, load_scenario(file, {round.options.begin(), round.options.end()}));
  if (file.is_relative()) round.scenario = fs::absolute(file).lexically_normal().string();
  return {};
}

struct BurninOptions {
  std::string hosts{}, config{"quick"}, launcher{"auto"}, launcher_arguments{}, time{}, topology{}, console{};
  std::string reference{}, save_reference{}, out{}, before{};
  int local_nodes = 0, ranks_per_node = 0, parallel = 0;
  std::optional<std::uint64_t> seed{};
  bool allow_command = false, apply_drain = false, json = false;

  /// The user's list; else the allocation around this process; else none: a local cluster.
  [[nodiscard]] Result<std::vector<std::string>> host_names() const {
    if (!hosts.empty() && local_nodes > 0)
      return usage_error("--hosts names real nodes, and --local-nodes makes others");
    if (!hosts.empty()) return hosts_of_option(hosts);
    const char* allocated = std::getenv("SLURM_JOB_NODELIST");
    if (local_nodes == 0 && allocated != nullptr && *allocated != '\0') return parse_host_list(allocated);
    return std::vector<std::string>{};
  }

  [[nodiscard]] Status set_hosts(BurninHead& head) const {
    GRIT_TRY(const std::vector<std::string> names, host_names());
    std::map<std::string, std::string> groups;
    if (!topology.empty()) {
      GRIT_TRY(const std::string text, read_file(topology));
      auto parsed = parse_topology_groups(text);
      if (!parsed) return with_context(parsed.error(), topology);
      groups = std::move(*parsed);
    }
    for (const std::string& name : names) head.setup.hosts.push_back({.name = name});
    if (names.empty()) {
      head.local_nodes = local_nodes > 0 ? local_nodes : default_local_nodes();
      GRIT_CHECK(check_local_size(head.local_nodes, std::max(ranks_per_node, 1)));
      for (int node = 0; node < head.local_nodes; ++node)
        head.setup.hosts.push_back({.name = layout::node_name(node), .address = layout::management_address(node)});
    }
    for (BurninHost& host : head.setup.hosts)
      if (const auto group = groups.find(host.name); group != groups.end()) host.group = group->second;
    return {};
  }

  [[nodiscard]] Status set_config(BurninHead& head) const {
    GRIT_TRY(const fs::path file, find_burnin(config));
    GRIT_TRY(head.setup.config, load_burnin(file));
    head.config_file = file.string();
    for (BurninRound& round : head.setup.config.rounds) {
      if (const Status known = settle_scenario(round); !known)
        return with_context(known.error(), fmt::format("{}: round \"{}\"", file.filename().string(), round.name));
      if (ranks_per_node > 0) round.ranks_per_node = ranks_per_node;
    }
    if (reference.empty()) return {};
    GRIT_TRY(const Json document, read_document(reference, formats::kReference));
    GRIT_TRY(BurninReference read, reference_from_json(document));
    head.setup.reference = std::move(read);
    return {};
  }

  [[nodiscard]] Status check_local_only(const BurninHead& head) const {
    const bool is_local = head.local_nodes > 0;
    if (is_local && launcher != "auto") return usage_error("--launcher is for real nodes: name them with --hosts");
    if (is_local && apply_drain) return drains_no_local_nodes();
    if (before.empty()) return {};
    if (!is_local) return usage_error("--before is for the local cluster: real nodes are as they are");
    if (!allow_command) return needs_allow_command();
    return {};
  }

  /// What "auto" comes to is settled here: where the burn-in is resumed it could come to something else.
  [[nodiscard]] Status set_launcher(BurninHead& head) const {
    head.launcher_arguments = CLI::detail::split_up(launcher_arguments);
    if (head.local_nodes > 0) {
      head.launcher = "local";
      return {};
    }
    GRIT_TRY(const std::unique_ptr<JobLauncher> made, make_job_launcher(launcher, head.launcher_arguments));
    head.launcher = made->name();
    if (const char* job = std::getenv("SLURM_JOB_ID"); job != nullptr && head.launcher == "srun") head.slurm_job = job;
    return {};
  }

  [[nodiscard]] Result<BurninCommand> command() const {
    BurninCommand command{.json = json, .applies_drain = apply_drain};
    BurninHead& head = command.head;
    GRIT_CHECK(set_config(head));
    GRIT_CHECK(set_hosts(head));
    GRIT_CHECK(check_local_only(head));
    GRIT_CHECK(set_launcher(head));
    const bool is_local = head.local_nodes > 0;
    if (!is_local) put_facts_first(head.setup.config);
    head.before = before;
    head.console = console;
    head.started_ns = realtime_ns();
    head.setup.shares_cores = is_local;
    head.setup.parallel = parallel > 0 ? parallel : is_local ? kLocalParallel : kParallel;
    head.setup.seed = seed.value_or(std::random_device{}() % (kMostSeed + 1));
    if (!time.empty()) {
      GRIT_TRY(const Json limit, parse_quantity(time, Unit::time_ns));
      head.time_limit_ns = limit.get<std::int64_t>();
    }
    const fs::path place =
        out.empty() ? fs::path("burnin") / head.setup.config.name / utc_stamp(head.started_ns) : fs::path(out);
    command.directory = fs::absolute(place).lexically_normal();
    if (!save_reference.empty()) head.save_reference = fs::absolute(save_reference).string();
    return command;
  }
};

/// The cluster is the machine's, and so is what is measured on it.
Result<int> run_locally_or_not(const BurninCommand& command) {
  if (command.head.local_nodes == 0) return run_burnin(command);
  GRIT_TRY(const NodeLock lock, NodeLock::acquire());
  return run_burnin_on_local_cluster(command);
}

Result<int> burnin(const BurninOptions& options) {
  GRIT_TRY(const bool in_job, started_by_mpi());
  if (in_job) return usage_error("grit burnin starts its jobs itself: call it without a launcher, and name --hosts");
  GRIT_TRY(const BurninCommand command, options.command());
  return run_locally_or_not(command);
}

void add_in_switch(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("burnin-in-switch", "a burn-in's front end on the local cluster")->group("");
  auto made = std::make_shared<BurninCommand>();
  command->add_option("directory", made->directory)->required();
  command->add_flag("--json", made->json);
  command->add_option("--save-reference", made->save_reference);
  made->resumes = true;  // the outer half has begun its log
  command->callback([made, &action] {
    action = [made]() -> Result<int> {
      if (!in_local_cluster()) return usage_error("grit burnin starts this itself, on its local cluster");
      return run_burnin(*made);
    };
  });
}

}  // namespace

Result<int> resume_burnin(const ResumedBurnin& resumed) {
  BurninCommand command{.directory = fs::absolute(resumed.directory).lexically_normal(),
                        .resumes = true,
                        .json = resumed.json,
                        .applies_drain = resumed.applies_drain};
  if (!resumed.save_reference.empty()) command.save_reference = fs::absolute(resumed.save_reference);
  GRIT_CHECK(check_run_directory(command.directory));  // first of all: the head names commands, and root runs them
  GRIT_TRY(command.head, BurninLog::read_head(command.directory));
  if (!command.head.before.empty() && !resumed.may_run_commands) return needs_allow_command();
  if (command.head.local_nodes > 0 && resumed.applies_drain) return drains_no_local_nodes();
  return run_locally_or_not(command);
}

void add_burnin(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("burnin", "measure all nodes against each other: which may go live?");
  command->footer(
      "examples: grit burnin --hosts n[01-64]               real nodes, over ssh\n"
      "          grit burnin --config full --time 8h        in an allocation of Slurm, all of its nodes\n"
      "          grit burnin --local-nodes 8                namespaces on this machine\n"
      "exit codes: 0 all nodes good, 1 some bad, 2 none bad but some set apart, not clear or not tested, or\n"
      "            the whole fleet slower than its --reference,\n"
      "            130 interrupted (go on with grit resume DIR)");
  auto options = std::make_shared<BurninOptions>();
  const auto text = [&](const char* name, std::string& into, const char* help) {
    command->add_option(name, into, help);
  };
  const auto number = [&](const char* name, NumberRange range, int& into, const char* help) {
    add_number(
        *command, name, range, [&into](std::uint64_t given) { into = static_cast<int>(given); }, help);
  };
  text("--hosts", options->hosts, "a file of hosts, or a list as Slurm writes it: n[01-64]");
  number("--local-nodes", {kMinLocalNodes, kMaxLocalNodes}, options->local_nodes, "a cluster of namespaces instead");
  text("--config", options->config, "what to do: quick, full, soak, or a file (default: quick)");
  command->add_option("--launcher", options->launcher, "what takes cells to the nodes (default: srun in an allocation)")
      ->check(one_of({"auto", "mpirun", "srun"}));
  text("--launcher-args", options->launcher_arguments, "further words for the launcher");
  number("--ranks-per-node", {1, 64}, options->ranks_per_node, "of cells under MPI (default: as the config says)");
  number("--parallel", {1, 4096}, options->parallel, "cells at a time (default: 64; 4 on a local cluster)");
  text("--time", options->time, "no cell begins after so long, without the pauses before grit resume: 2h");
  text("--topology", options->topology, "which switch a host is on: Slurm's topology.conf, or lines GROUP HOSTLIST");
  text("--console", options->console, "the file with what a node's kernel says; %n stands for the node");
  text("--reference", options->reference, "an earlier burn-in's --save-reference, to hold each node against itself");
  text("--save-reference", options->save_reference, "where to write what a later one is held against");
  text("--out", options->out, "the directory (default: burnin/<config>/<UTC time>)");
  add_number(
      *command, "--seed", {0, kMostSeed}, [options](std::uint64_t given) { options->seed = given; },
      "of who meets whom (default: a new one)");
  text("--before", options->before, "a command for the local cluster's switch, run before the first cell");
  command->add_flag("--allow-command", options->allow_command, "let --before run its command");
  command->add_flag("--apply-drain", options->apply_drain,
                    "drain bad nodes by scontrol at the end; grit resume must be given it anew");
  command->add_flag("--json", options->json, "print burnin.json on standard output and nothing else");
  command->callback([options, &action] { action = [options] { return burnin(*options); }; });
  add_in_switch(app, action);
}

}  // namespace grit
