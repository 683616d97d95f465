// Sets of logical CPUs: which there are, which a thread may run on (sched_setaffinity(2)).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/result.hpp"

namespace grit {

/// Numbers of logical CPUs, ascending, each once.
using Cpus = std::vector<int>;

/// "0-3,8", as the kernel writes and reads it (cpuset(7), "List format"). Error (usage): it is not that.
Result<Cpus> cpus_from_list(std::string_view list);
std::string to_list(const Cpus& cpus);

Result<Cpus> online_cpus();
/// Those that the calling thread could be given: its cpuset (cpuset(7)), whatever launchers have bound it to. Tried out
/// and put back, because no file tells it for both versions of control groups.
Result<Cpus> allowed_cpus();
/// What of `allowed` is in none of `taken`; all of it when nothing would be left.
Cpus cpus_beside(const Cpus& allowed, const std::vector<Cpus>& taken);
/// Of one thread; a pid is its main thread's. Error (usage): there is no such thread.
Result<Cpus> affinity_of_thread(pid_t tid);
/// 0 is the calling thread. Error (usage): there is no such thread, or none of these CPUs is usable for it; error
/// (unavailable): not permitted.
Status set_affinity_of_thread(pid_t tid, const Cpus& cpus);

/// Since the machine booted (/proc/stat, proc_stat(5)). In ticks of 10 ms and the like.
struct CpuTimes {
  std::int64_t busy_ns = 0;   // whoever ran, other machines of the same host included: what tells CPUs that others take
                              // from processes that wait for each other
  std::int64_t steal_ns = 0;  // of this, what other machines of the same host took
  std::int64_t idle_ns = 0;   // nobody ran, be it that somebody waits for a disk; it can become less
};
/// Of all CPUs, added up. `proc` is where procfs is mounted.
Result<CpuTimes> read_cpu_times(const std::filesystem::path& proc = "/proc");
/// Of each CPU that is online.
Result<std::map<int, CpuTimes>> read_times_by_cpu(const std::filesystem::path& proc = "/proc");

/// The mean clock of at most 16 of the online CPUs, spread over all of them, as cpufreq last saw it
/// (Documentation/admin-guide/pm/cpufreq.rst, scaling_cur_freq). Error (unavailable): the machine does not say, as
/// virtual ones do not.
Result<std::int64_t> read_cpu_clock_hz();

}  // namespace grit
