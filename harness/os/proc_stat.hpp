// /proc/PID/stat and /proc/PID/task/TID/stat (proc_pid_stat(5)), read in one place: the name before the fields may hold
// blanks and parentheses.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace grit {

/// No file of one process with its numbers is longer; what is read of one.
constexpr std::size_t kMaxProcFile_bytes = 4096;

struct ProcStat {
  std::string name{};
  char state = '?';  // 'R', 'S', 'D', 'T' (stopped), 'Z' ...
  pid_t parent = 0;
  pid_t session = 0;
  std::int64_t minor_faults = 0;  // page faults that needed no storage
  std::int64_t major_faults = 0;  // and those that did
  std::int64_t cpu_ns = 0;        // user and system time, counted in clock ticks (10 ms, mostly)
  std::int64_t start_ticks = 0;   // when it began, since boot
};

/// Of a process, with the sums over its threads. Nothing: it has ended (a zombie is still there).
std::optional<ProcStat> read_proc_stat(pid_t pid);
/// Of one of its threads.
std::optional<ProcStat> read_proc_stat(pid_t pid, pid_t tid);

/// Of the task whose directory this is: /proc/PID or /proc/PID/task/TID, wherever procfs is mounted.
std::optional<ProcStat> read_task_stat(const std::filesystem::path& directory);

}  // namespace grit
