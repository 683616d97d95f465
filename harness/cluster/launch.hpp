// The command line and the environment of mpirun on the local cluster.
#pragma once

#include <string>
#include <vector>

#include "harness/cluster/local.hpp"

namespace grit {

/// argv of mpirun for this job; argv[0] is "mpirun".
std::vector<std::string> mpirun_arguments(const LocalClusterOptions& options);

/// The environment of mpirun, which is also that of the ranks: `inherited` without what describes another cluster, with
/// the local cluster's variables, with options.environment over both.
std::vector<std::string> job_environment(const std::vector<std::string>& inherited, const LocalClusterOptions& options);

/// Error (unavailable): there is no mpirun in PATH; says which package has it.
Status check_mpirun();

}  // namespace grit
