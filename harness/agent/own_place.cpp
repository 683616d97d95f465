#include "harness/agent/own_place.hpp"

#include <fmt/format.h>
#include <linux/magic.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <sstream>

#include "harness/agent/journal.hpp"
#include "harness/base/files.hpp"
#include "harness/os/cgroup_files.hpp"
#include "harness/os/cpus.hpp"

namespace grit {

Status leave_ranks_their_cpus(const std::vector<int>& rank_pids) {
  ::syscall(SYS_set_mempolicy, MPOL_DEFAULT, nullptr, 0);  // fails only where there is no NUMA to have a policy of
  GRIT_TRY(const Cpus allowed, allowed_cpus());
  std::vector<Cpus> taken;
  for (const int pid : rank_pids)
    if (auto cpus = affinity_of_thread(pid)) taken.push_back(std::move(*cpus));
  return set_affinity_of_thread(0, cpus_beside(allowed, taken));
}

void leave_control_groups() {
  const std::string cgroups = read_file("/proc/self/cgroup").value_or("");
  const std::string mounts = read_file("/proc/self/mountinfo").value_or("");
  std::istringstream lines(cgroups);
  for (std::string line; std::getline(lines, line);) {  // "4:cpu,cpuacct:/path", version 2: "0::/path"
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos || line.substr(second + 1) == "/") continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const auto groups =
        cgroup_files::own_and_above(controllers.empty() ? CgroupVersion::v2 : CgroupVersion::v1,
                                    std::string_view(controllers).substr(0, controllers.find(',')), cgroups, mounts);
    if (groups.empty()) continue;
    static_cast<void>(cgroup_files::write_setting(groups.back() / "cgroup.procs", "0"));  // 0: whoever writes
  }
}

std::vector<std::string> ends_with_the_job(std::string_view cgroups, const std::filesystem::path& journal_directory) {
  // Names that Slurm, PBS, LSF, Grid Engine and Kubernetes give to the groups of their jobs.
  static constexpr std::array<std::string_view, 6> kJobGroups{"slurm", "/pbs_jobs", "/pbspro",
                                                              "/lsf",  "/ge.",      "kubepods"};
  std::vector<std::string> reasons;
  for (const std::string_view name : kJobGroups) {
    if (cgroups.find(name) == std::string_view::npos) continue;
    reasons.push_back(fmt::format(
        "the agents and their heirs cannot leave the job's control group ({}): whoever ends the job at once "
        "ends them before they can take a fault off; have `grit revert` run in the job's epilog",
        name.substr(name.front() == '/' ? 1 : 0)));
    break;
  }
  std::filesystem::path there = journal_directory;  // made only when there is something to write
  struct statfs on {};
  while (::statfs(there.c_str(), &on) != 0 && there.has_relative_path()) there = there.parent_path();
  if (on.f_type == OVERLAYFS_SUPER_MAGIC)
    reasons.push_back(
        fmt::format("{} lies on a container's own file system and goes with it, what faults change on the "
                    "node does not: mount a directory of the node there, or {}",
                    journal_directory.string(), other_journal_directory()));
  return reasons;
}

Status keep_in_memory() {
  if (::mlockall(MCL_CURRENT | MCL_FUTURE) == 0) return {};
  const int reason = errno;
  rlimit limit{};
  ::getrlimit(RLIMIT_MEMLOCK, &limit);
  if (reason == EPERM || reason == ENOMEM || reason == EAGAIN)
    return unavailable_error(
        fmt::format("the agent's memory cannot be locked (RLIMIT_MEMLOCK is {} KiB): a fault on the "
                    "NIC that carries grit's own files might come off late; run as root",
                    limit.rlim_cur / 1024));
  return errno_error("cannot lock the agent's memory", reason);
}

}  // namespace grit
