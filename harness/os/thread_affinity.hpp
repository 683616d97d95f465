// The CPU affinity of all threads of a process: kept, changed, put back.
#pragma once

#include <string>
#include <vector>

#include "harness/base/json.hpp"
#include "harness/os/cpus.hpp"
#include "harness/os/process.hpp"

namespace grit {

struct ThreadAffinity {
  pid_t tid = 0;
  std::int64_t start_ticks = 0;  // with the tid: this thread and no other
  Cpus cpus{};
};

struct ProcessAffinity {
  ProcessIdentity process{};
  std::vector<ThreadAffinity> threads{};  // the main thread first
};

/// Error (usage): it has ended.
Result<ProcessAffinity> read_affinity(const ProcessIdentity& process);
/// For all threads that it has now. False: it has ended.
Result<bool> set_affinity(const ProcessIdentity& process, const Cpus& cpus);
/// And of its threads that have started since, as they are bound now.
Result<ProcessAffinity> with_later_threads(ProcessAffinity saved);
/// Threads that were not there then get what the main thread had; threads that are bound as they were are left alone.
/// Idempotent; success when it has ended.
Status restore_affinity(const ProcessAffinity& saved);
/// The same, but of the threads that have none but these CPUs now: any other has bound itself since.
Status restore_affinity_within(const ProcessAffinity& saved, const Cpus& cpus);
/// Of a process that has these threads, what it had of them then; nullptr: this one was not there.
const ThreadAffinity* find_thread(const ProcessAffinity& saved, const ThreadAffinity& thread);
/// Have all threads that were there then, and live, the CPUs that they had?
bool is_bound_as(const ProcessAffinity& saved, const ProcessAffinity& now);

Json to_json(const ProcessAffinity& affinity);
/// Closed set of keys; error (usage): what is wrong.
Result<ProcessAffinity> process_affinity_from_json(const Json& json);

}  // namespace grit
