// The subcommands, one file each. A command registers its options with CLI11 and leaves what to do in `action`.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "harness/base/result.hpp"

namespace grit {

/// What the parsed command line asks for; returns the exit code or an error, which main prints.
using Action = std::function<Result<int>()>;

void add_run(CLI::App& app, Action& action);
void add_plan(CLI::App& app, Action& action);
void add_replay(CLI::App& app, Action& action);
void add_resume(CLI::App& app, Action& action);
/// A burn-in and, not for people, its front end on the local cluster's switch.
void add_burnin(CLI::App& app, Action& action);
/// A directory with a burnin.jsonl, and what is said of it anew: what --before runs must be allowed again, and
/// draining be asked for again.
struct ResumedBurnin {
  std::string directory{};
  bool json = false, may_run_commands = false, applies_drain = false;
  std::string save_reference{};  // empty: as the burn-in was begun
};
Result<int> resume_burnin(const ResumedBurnin& resumed);
void add_report(CLI::App& app, Action& action);
void add_compare(CLI::App& app, Action& action);
void add_simulate(CLI::App& app, Action& action);
void add_import_nccl(CLI::App& app, Action& action);
void add_list(CLI::App& app, Action& action);
void add_describe(CLI::App& app, Action& action);
void add_doctor(CLI::App& app, Action& action);
void add_check(CLI::App& app, Action& action);
void add_score(CLI::App& app, Action& action);
void add_revert(CLI::App& app, Action& action);
/// Not for people: man pages and shell completion into a directory, when grit is built. The app must outlive the
/// action.
void add_manual(CLI::App& app, Action& action);
/// Not for people: `rank` (a rank on the local cluster), `agent`, `enter-node` (Open MPI's launch agent).
void add_internal(CLI::App& app, Action& action);

}  // namespace grit
