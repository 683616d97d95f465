// What the kernel has counted for a process: memory, page faults, CPU time, bytes from and to storage.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <cstdint>

#include "harness/base/result.hpp"

namespace grit {

struct ProcessUsage {
  std::int64_t anonymous_bytes = 0;  // resident and its own, not file pages (proc_pid_statm(5)); none once it has ended
  std::int64_t faulted_bytes = 0;    // pages that the kernel gave it on a fault, once each time
  std::int64_t cpu_ns = 0;
  std::int64_t read_bytes = 0;     // fetched from storage (proc_pid_io(5)); 0 where the kernel does not account for it
  std::int64_t written_bytes = 0;  // caused to be sent to storage

  ProcessUsage& operator+=(const ProcessUsage& other);
  ProcessUsage& operator-=(const ProcessUsage& other);
};

/// Of a process that lives. Error: it does not, or belongs to somebody else.
Result<ProcessUsage> process_usage(pid_t pid);
/// Of one that has ended, as wait4(2) gives it.
ProcessUsage process_usage(const rusage& usage);

}  // namespace grit
