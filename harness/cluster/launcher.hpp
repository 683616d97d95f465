// Who started this process, and with how many others, as the environment says.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>

#include "harness/base/result.hpp"

namespace grit {

struct Launcher {
  std::string name{};        // "mpirun", "srun", "mpiexec" (of another MPI); empty: none
  bool reaches_mpi = false;  // it speaks what Open MPI joins a job by: Open MPI's own variables, or PMIx
  int tasks = 1;             // that it started together; 1 also when it does not say
  int task = 0;              // which of them this process is
};

/// By the variables of Open MPI's mpirun, of Slurm's steps and of PMI. A shell inside a Slurm allocation or a batch
/// script is no step of several tasks, whatever the allocation's size: there grit runs on its own.
Launcher find_launcher(const std::function<const char*(const char*)>& variable = ::getenv);

/// Error (unavailable): the launcher started several tasks of which MPI joins only `ranks_seen` = 1 here: each would
/// run an experiment of its own. Says what to do; the message is empty for all tasks but the first, which would only
/// repeat it.
Status check_tasks_meet(const Launcher& launcher, int ranks_seen);

/// How long it may take until all ranks have found each other: the environment variable GRIT_LAUNCH_TIMEOUT ("5min"),
/// or 2 minutes, in which also thousands of ranks start. Error (usage): the variable is no time.
Result<std::int64_t> launch_timeout_ns();

}  // namespace grit
