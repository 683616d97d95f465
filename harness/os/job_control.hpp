// Whether what this process starts can outlive the job that it belongs to.
#pragma once

#include <string>

namespace grit {

/// The control group that a batch system made for its job and kills as a whole when the job ends, of which `cgroup`,
/// the contents of /proc/PID/cgroup, says that the process is in it; empty: none. Known: Slurm ("/slurm/uid_0/job_7",
/// "slurmstepd.scope/job_7"), PBS, LSF and Grid Engine by the names they give.
std::string control_group_of_job(const std::string& cgroup);

}  // namespace grit
