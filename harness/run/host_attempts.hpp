// `grit run --hosts` of a scenario with Design::restarts: this process stays outside of the job and starts it again.
#pragma once

#include "harness/base/result.hpp"
#include "harness/cluster/job_launcher.hpp"
#include "harness/run/execution.hpp"

namespace grit {

/// Tells the ranks, by their environment, that somebody outside of the job starts it again and judges the run.
inline constexpr const char* kRestartsVariable = "GRIT_RESTARTS";

/// `job` is `grit run` by the ranks, which plan and run the first attempt in execution.run_directory (absolute, and
/// seen from here); further ones are `grit rank`. Of `execution` that directory, the baselines, the port and `json`
/// count. Prints the verdict; returns its exit code, or the job's where nothing was recorded.
Result<int> execute_on_hosts(const Execution& execution, const JobLauncher& launcher, const HostJob& job);

}  // namespace grit
