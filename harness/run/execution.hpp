// From a plan to a verdict: on the local cluster, or by the ranks of an MPI job. `run` and `replay` both end here.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "analysis/compare/compare.hpp"
#include "harness/model/plan.hpp"
#include "harness/run/job.hpp"

namespace grit {

struct Execution {
  Plan plan{};
  std::string scenario_source{};  // the Lua text, kept in the run directory
  std::string scenario_file{};
  std::filesystem::path run_directory{};  // empty: runs/<scenario>/<UTC time>-<seed>
  std::filesystem::path series{};         // the default directory of the series whose trial it is; empty: none
  std::vector<std::string> command_line{};
  bool json = false;                               // verdict.json on standard output, nothing else
  std::vector<std::filesystem::path> baselines{};  // older runs that this one is compared with at its end
  int port = 0;                                    // of node 0's recorder, to which agents report; 0: any free one
  std::string heading{};                           // the line that says what begins; empty: the scenario's name
};

/// Refuses a plan that the guard rails refuse, whatever it says itself. Error (usage): names all, and the flag that
/// overrides each.
Status check_guards(const Plan& plan);

/// Makes the run directory with all that is known before the first step. Error (usage): it exists, or its name is not
/// UTF-8.
Status prepare_directory(const Execution& execution, const std::filesystem::path& directory);

/// Builds the local cluster and runs the plan there. Returns the run directory, which then holds verdict.json and
/// report.html. The caller holds the node's lock.
Result<std::filesystem::path> run_on_local_cluster(const Execution& execution);

/// The same by the ranks of the job; collective, `execution` is rank 0's. Every rank gets the directory, or the same
/// error.
Result<std::filesystem::path> run_under_mpi(const Job& job, const Execution& execution);

/// Why the ranks of a run on the local cluster did not start, in their words: what is missing on which node. Empty:
/// they did, or the cluster was not made.
std::string why_refused(const std::filesystem::path& run_directory);

/// One run on the local cluster; prints the verdict. Returns the exit code.
Result<int> execute_on_local_cluster(const Execution& execution);

/// The same by the ranks of the job; collective. Returns the same exit code on every rank.
Result<int> execute_under_mpi(const Job& job, const Execution& execution);

/// What a rank of the local cluster runs: the plan of an existing run directory.
Result<int> execute_rank(const std::filesystem::path& run_directory, int port);

/// Prints the verdict of a finished run or series and, when there is one, its comparison with older runs, which is the
/// member "comparison" of the JSON. Returns the verdict's exit code: 70 when a fault could not be reverted.
Result<int> print_verdict(const std::filesystem::path& run_directory, bool json,
                          const std::optional<Comparison>& comparison = std::nullopt);

}  // namespace grit
