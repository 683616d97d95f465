// The outer half of a burn-in on the local cluster: it makes the cluster, and lives as long as that.
#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>

#include "harness/burnin/front_end.hpp"
#include "harness/cluster/local.hpp"
#include "harness/model/burnin_measures.hpp"
#include "harness/run/cluster_keeper.hpp"
#include "harness/run/interrupt.hpp"

namespace grit {
namespace {

/// Nodes of a local cluster are one machine: that they are of one kind is known, which a config can only state.
BurninCommand with_spreads_stated(BurninCommand command) {
  for (const BurninMeasure& measure : kBurninMeasures) {
    if (measure.better != BurninBetter::higher && measure.better != BurninBetter::lower) continue;
    auto& spread = command.head.setup.config.limits[std::string(measure.name)].spread;
    if (!spread) spread = measure.spread;
  }
  return command;
}

}  // namespace

Result<int> run_burnin_on_local_cluster(const BurninCommand& asked) {
  const BurninCommand command = with_spreads_stated(asked);
  std::error_code unknown;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", unknown);
  if (unknown) return internal_error("cannot find grit's own program: " + unknown.message());
  if (!command.resumes) GRIT_CHECK(prepare_burnin_directory(command));
  int most_ranks = 1;
  for (const BurninRound& round : command.head.setup.config.rounds)
    most_ranks = std::max(most_ranks, round.ranks_per_node);
  const std::string directory = command.directory.string();
  LocalClusterOptions options{.nodes = command.head.local_nodes,
                              .ranks_per_node = most_ranks,
                              .on_switch = {program.string(), "burnin-in-switch", directory},
                              .run_directory = command.directory,
                              .environment = {"GRIT_JOURNAL_DIR=" + (command.directory / "journal").string()}};
  if (command.json) options.on_switch.emplace_back("--json");
  if (!command.save_reference.empty())
    options.on_switch.insert(options.on_switch.end(), {"--save-reference", command.save_reference.string()});
  if (!command.json)
    fmt::print(stderr, "grit: burn-in \"{}\" on a local cluster of {} nodes\n", command.head.setup.config.name,
               command.head.local_nodes);
  GRIT_TRY(ClusterKeeper keeper, ClusterKeeper::start(command.directory / "journal", {}));
  const auto ended = run_local_cluster(options);
  const bool machine_is_mended = keeper.end();
  if (!ended) return tl::make_unexpected(ended.error());
  if (!machine_is_mended)
    return internal_error(
        fmt::format("NOT REVERTED: what faults changed of the whole machine could not be taken off: run `grit revert "
                    "--journal FILE` for each file in {}",
                    (command.directory / "journal").string()));
  const int status = ended->job_status;
  if (ended->interrupted) return kInterruptedCode;
  if (WIFEXITED(status)) return WEXITSTATUS(status);  // it has said why
  return internal_error(fmt::format("the burn-in's front end was killed by signal {}. Go on with: grit resume {}",
                                    WTERMSIG(status), directory));
}

}  // namespace grit
