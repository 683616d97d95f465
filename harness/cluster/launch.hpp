// The command line and the environment of mpirun on the local cluster.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "harness/base/result.hpp"

namespace grit {

/// argv of mpirun for this command on the nodes with these management addresses; argv[0] is "mpirun".
std::vector<std::string> mpirun_arguments(const std::vector<std::string>& addresses, int ranks_per_node,
                                          const std::vector<std::string>& command);

/// The environment of mpirun, which is also that of the ranks: `inherited` without what describes another cluster, with
/// the local cluster's variables, with `variables` (NAME=value) over both.
std::vector<std::string> job_environment(const std::vector<std::string>& inherited,
                                         const std::vector<std::string>& variables);

/// Of this process: NAME=value.
std::vector<std::string> own_environment();

/// Puts NAME=value in the place of what the environment has of that name.
void set_variable(std::vector<std::string>& environment, const std::string& variable);

/// Takes out what an MPI or a batch system says of the job around this process; Open MPI's settings (OMPI_MCA_...) stay
/// when `keeps_settings`.
void forget_other_job(std::vector<std::string>& environment, bool keeps_settings);

/// For execve(2); the texts must outlive them.
std::vector<char*> exec_pointers(const std::vector<std::string>& texts);

/// The executable file of that name in PATH, or the name itself when it has a '/' and is executable.
std::optional<std::string> program_in_path(const std::string& name);

/// Error (unavailable): there is no mpirun in PATH; says which package has it.
Status check_mpirun();

}  // namespace grit
