#include "harness/os/process.hpp"

#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <limits>
#include <map>
#include <set>
#include <sstream>
#include <vector>

#include "harness/base/clock.hpp"
#include "harness/base/fd.hpp"
#include "harness/base/files.hpp"
#include "harness/os/closed_object.hpp"
#include "harness/os/identity.hpp"
#include "harness/os/proc_stat.hpp"

namespace grit {
namespace {

std::optional<ProcessState> read_state(pid_t pid) {
  const auto stat = read_proc_stat(pid);
  if (!stat) return std::nullopt;
  ProcessState state{.state = stat->state,
                     .start_ticks = stat->start_ticks,
                     .cpu_ns = stat->cpu_ns,
                     .minor_faults = stat->minor_faults,
                     .major_faults = stat->major_faults};
  if (const auto schedstat = read_file(fmt::format("/proc/{}/schedstat", pid), kMaxProcFile_bytes)) {
    std::istringstream numbers(*schedstat);
    std::int64_t on_cpu_ns = 0, waited_ns = 0, turns = 0;
    if (numbers >> on_cpu_ns >> waited_ns >> turns)
      state.on_cpu_ns = on_cpu_ns, state.run_delay_ns = waited_ns, state.turns = turns;
  }
  return state;
}

/// Every process that is no zombie.
std::map<pid_t, ProcStat> all_processes() {
  std::map<pid_t, ProcStat> all;
  std::error_code error;
  for (std::filesystem::directory_iterator it("/proc", error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    pid_t pid = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (parsed.ec != std::errc() || parsed.ptr != name.data() + name.size()) continue;
    auto stat = read_proc_stat(pid);
    if (stat && stat->state != 'Z' && stat->state != 'X') all.emplace(pid, std::move(*stat));
  }
  return all;
}

}  // namespace

Result<ProcessIdentity> identify_process(pid_t pid) {
  const auto state = read_state(pid);
  if (!state) return usage_error(fmt::format("there is no process {}", pid));
  ProcessIdentity identity{.pid = pid, .start_ticks = state->start_ticks};
  GRIT_TRY(identity.boot_id, boot_id());
  return identity;
}

Result<std::optional<ProcessState>> process_state(const ProcessIdentity& identity) {
  GRIT_TRY(const std::string boot, boot_id());
  if (boot != identity.boot_id) return std::nullopt;
  auto state = read_state(identity.pid);
  if (!state || state->start_ticks != identity.start_ticks) return std::nullopt;
  return state;
}

Result<std::vector<std::vector<ProcessIdentity>>> helpers_of(std::span<const ProcessIdentity> processes) {
  GRIT_TRY(const std::string boot, boot_id());
  const std::map<pid_t, ProcStat> all = all_processes();
  std::vector<std::vector<ProcessIdentity>> helpers;
  for (const ProcessIdentity& process : processes) {
    std::vector<ProcessIdentity>& own = helpers.emplace_back();
    const auto maker = all.find(process.pid);
    if (boot != process.boot_id || maker == all.end() || maker->second.start_ticks != process.start_ticks) continue;
    std::set<pid_t> family{process.pid};
    for (bool grew = true; grew;) {  // a child may have a smaller number than its parent
      grew = false;
      for (const auto& [pid, stat] : all) {
        if (stat.session != maker->second.session || !family.contains(stat.parent) || family.contains(pid)) continue;
        family.insert(pid);
        own.push_back({.boot_id = boot, .pid = pid, .start_ticks = stat.start_ticks});
        grew = true;
      }
    }
  }
  return helpers;
}

Result<std::vector<pid_t>> threads_of(const ProcessIdentity& identity) {
  std::vector<pid_t> threads;
  std::error_code error;
  for (std::filesystem::directory_iterator it(fmt::format("/proc/{}/task", identity.pid), error), end;
       !error && it != end; it.increment(error))
    threads.push_back(std::stoi(it->path().filename().string()));
  GRIT_TRY(const auto state, process_state(identity));  // after them: from another process of that pid they are not
  if (!state) return std::vector<pid_t>{};
  std::sort(threads.begin(), threads.end());
  return threads;
}

Result<std::optional<SchedulerTimes>> scheduler_times(const ProcessIdentity& identity) {
  GRIT_TRY(const auto threads, threads_of(identity));
  if (threads.empty()) return std::nullopt;
  SchedulerTimes sum;
  bool any = false;
  for (const pid_t thread : threads) {
    const auto text = read_file(fmt::format("/proc/{}/task/{}/schedstat", identity.pid, thread), kMaxProcFile_bytes);
    if (!text) continue;  // it has just ended
    std::istringstream numbers(*text);
    std::int64_t on_cpu_ns = 0, waited_ns = 0;
    if (!(numbers >> on_cpu_ns >> waited_ns)) continue;
    any = true;
    sum.on_cpu_ns += on_cpu_ns;
    sum.run_delay_ns += waited_ns;
  }
  GRIT_TRY(const auto state, process_state(identity));
  if (!state) return std::nullopt;
  if (!any) return unavailable_error("this kernel keeps no /proc/PID/schedstat (CONFIG_SCHED_INFO)");
  return sum;
}

Result<bool> send_signal(const ProcessIdentity& identity, int signal_number) {
  const Fd process(static_cast<int>(::syscall(SYS_pidfd_open, identity.pid, 0)));
  if (!process && errno == ESRCH) return false;
  if (!process) return errno_error(fmt::format("cannot open process {}", identity.pid));
  GRIT_TRY(const auto state, process_state(identity));  // after the pidfd: from here on it cannot become another
  if (!state) return false;
  if (::syscall(SYS_pidfd_send_signal, process.get(), signal_number, nullptr, 0) == 0) return true;
  if (errno == ESRCH) return false;
  if (errno == EPERM)
    return unavailable_error(fmt::format("process {} belongs to another user: run as root", identity.pid));
  return errno_error(fmt::format("cannot send signal {} to process {}", signal_number, identity.pid));
}

Json to_json(const ProcessIdentity& identity) {
  return Json{{"boot_id", identity.boot_id}, {"pid", identity.pid}, {"start_ticks", identity.start_ticks}};
}

Result<ProcessIdentity> process_identity_from_json(const Json& json) {
  ClosedObject object(json, "process");
  ProcessIdentity identity;
  identity.boot_id = object.text("boot_id", 64);
  identity.pid = static_cast<pid_t>(object.integer("pid", 2, std::numeric_limits<pid_t>::max()));  // never init
  identity.start_ticks = object.integer("start_ticks", 0, std::numeric_limits<std::int64_t>::max());
  GRIT_CHECK(object.done());
  return identity;
}

}  // namespace grit
