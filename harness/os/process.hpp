// Processes by identity: a pid is used again, a pid with its start time (proc_pid_stat(5)) of one boot is not.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/base/json.hpp"
#include "harness/base/result.hpp"

namespace grit {

struct ProcessIdentity {
  std::string boot_id{};
  pid_t pid = 0;
  std::int64_t start_ticks = 0;  // since boot, in clock ticks
};

struct ProcessState {
  char state = '?';  // 'R', 'S', 'D', 'T' (stopped), 'Z' ...
  std::int64_t start_ticks = 0;
  std::int64_t cpu_ns = 0;        // user and system time of all threads, in clock ticks (10 ms, mostly)
  std::int64_t on_cpu_ns = 0;     // of the main thread, exact (proc_pid_schedstat); 0 where the kernel does not say
  std::int64_t run_delay_ns = 0;  // time spent waiting for a CPU (proc_pid_schedstat); 0 where the kernel does not say
  std::int64_t turns = 0;         // how often its main thread was given a CPU (proc_pid_schedstat); 0 likewise
  std::int64_t minor_faults = 0;  // page faults that needed no storage, of all threads (proc_pid_stat(5))
  std::int64_t major_faults = 0;  // and those that did
};

/// What the scheduler counted for all threads of a process that live now (proc_pid_schedstat).
struct SchedulerTimes {
  std::int64_t on_cpu_ns = 0;
  std::int64_t run_delay_ns = 0;  // runnable, waiting for a CPU
};

/// Error (usage): there is no such process.
Result<ProcessIdentity> identify_process(pid_t pid);
/// Of this very process; nothing when it has ended (a zombie still has a state).
Result<std::optional<ProcessState>> process_state(const ProcessIdentity& identity);
/// Nothing when it has ended. Error (unavailable): this kernel does not count.
Result<std::optional<SchedulerTimes>> scheduler_times(const ProcessIdentity& identity);
/// Of each: the processes that it has started and these have, in its session, such as its data loaders; not what began
/// a session of its own, as an agent does. Ended ones are not among them, and one whose parent has ended is lost from
/// sight. One pass over /proc.
Result<std::vector<std::vector<ProcessIdentity>>> helpers_of(std::span<const ProcessIdentity> processes);
/// The ids of its threads, ascending; none when it has ended.
Result<std::vector<pid_t>> threads_of(const ProcessIdentity& identity);
/// Through a pidfd, so that it reaches this process or none. True: it was sent; false: the process has ended.
/// Error (unavailable): not permitted.
Result<bool> send_signal(const ProcessIdentity& identity, int signal_number);

Json to_json(const ProcessIdentity& identity);
/// Closed set of keys; error (usage): what is wrong.
Result<ProcessIdentity> process_identity_from_json(const Json& json);

}  // namespace grit
