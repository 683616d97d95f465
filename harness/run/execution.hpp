// From a plan to a verdict: on the local cluster, or by the ranks of an MPI job. `run` and `replay` both end here.
#pragma once

#include <filesystem>
#include <string>

#include "harness/model/plan.hpp"
#include "harness/run/job.hpp"

namespace grit {

struct Execution {
  Plan plan{};
  std::string scenario_source{};  // the Lua text, kept in the run directory
  std::string scenario_file{};
  std::filesystem::path run_directory{};  // empty: runs/<scenario>/<UTC time>-<seed>
  std::vector<std::string> command_line{};
  bool json = false;  // verdict.json on standard output, nothing else
};

/// Refuses a plan that its guard rails refuse. Error (usage): names all, and the flag that overrides each.
Status check_guards(const Plan& plan);

/// Builds the local cluster, runs the plan there, prints the verdict. Returns the exit code (DESIGN §10).
Result<int> execute_on_local_cluster(const Execution& execution);

/// The same by the ranks of the job; collective, `execution` is rank 0's. Returns the same exit code on every rank.
Result<int> execute_under_mpi(const Job& job, const Execution& execution);

/// What a rank of the local cluster runs: the plan of an existing run directory.
Result<int> execute_rank(const std::filesystem::path& run_directory);

/// Prints the verdict of a finished run; returns its exit code: 70 when a fault could not be reverted.
Result<int> print_verdict(const std::filesystem::path& run_directory, bool json);

}  // namespace grit
