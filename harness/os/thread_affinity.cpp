#include "harness/os/thread_affinity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "harness/os/closed_object.hpp"
#include "harness/os/proc_stat.hpp"

namespace grit {
namespace {

constexpr std::size_t kMaxThreads = 100'000;
constexpr std::size_t kMaxList_bytes = 16'384;
constexpr int kRounds = 3;  // a thread that starts meanwhile has what its maker had

/// Nothing: it has ended.
std::optional<std::int64_t> start_of_thread(pid_t pid, pid_t tid) {
  const auto stat = read_proc_stat(pid, tid);
  return stat ? std::optional(stat->start_ticks) : std::nullopt;
}

/// Not an error when the thread ends meanwhile.
Status set_living(pid_t pid, pid_t tid, const Cpus& cpus) {
  auto set = set_affinity_of_thread(tid, cpus);
  return !set && !start_of_thread(pid, tid) ? Status{} : set;
}

/// None: it has ended.
Result<std::vector<ThreadAffinity>> bound_threads(const ProcessIdentity& process) {
  std::vector<ThreadAffinity> all;
  GRIT_TRY(const auto threads, threads_of(process));
  for (const pid_t tid : threads) {
    const auto start_ticks = start_of_thread(process.pid, tid);
    auto cpus = affinity_of_thread(tid);
    if (!start_ticks) continue;  // it has just ended
    if (!cpus && start_of_thread(process.pid, tid)) return tl::make_unexpected(cpus.error());
    if (!cpus) continue;
    all.push_back({tid, *start_ticks, std::move(*cpus)});
  }
  return all;
}

template <class Chosen>
Status restore_threads(const ProcessAffinity& saved, Chosen chosen) {
  bool changed = true;
  for (int round = 0; changed && round < kRounds; ++round) {
    changed = false;
    GRIT_TRY(const auto threads, bound_threads(saved.process));
    for (const ThreadAffinity& thread : threads) {
      const ThreadAffinity* known = find_thread(saved, thread);
      const Cpus& cpus = known == nullptr ? saved.threads.front().cpus : known->cpus;
      if (thread.cpus == cpus || !chosen(thread)) continue;
      changed = true;
      GRIT_CHECK(set_living(saved.process.pid, thread.tid, cpus));
    }
  }
  return {};
}

}  // namespace

Result<ProcessAffinity> read_affinity(const ProcessIdentity& process) {
  ProcessAffinity all{.process = process};
  GRIT_TRY(all.threads, bound_threads(process));
  const auto main = std::find_if(all.threads.begin(), all.threads.end(),
                                 [&](const ThreadAffinity& one) { return one.tid == process.pid; });
  if (main == all.threads.end()) return usage_error(fmt::format("process {} has ended", process.pid));
  std::rotate(all.threads.begin(), main, main + 1);
  return all;
}

Result<bool> set_affinity(const ProcessIdentity& process, const Cpus& cpus) {
  for (int round = 0; round < kRounds; ++round) {
    GRIT_TRY(const auto threads, threads_of(process));
    if (threads.empty()) return false;
    for (const pid_t tid : threads) GRIT_CHECK(set_living(process.pid, tid, cpus));
  }
  return true;
}

Result<ProcessAffinity> with_later_threads(ProcessAffinity saved) {
  GRIT_TRY(std::vector<ThreadAffinity> now, bound_threads(saved.process));
  for (ThreadAffinity& thread : now)
    if (find_thread(saved, thread) == nullptr) saved.threads.push_back(std::move(thread));
  return saved;
}

Status restore_affinity(const ProcessAffinity& saved) {
  return restore_threads(saved, [](const ThreadAffinity&) { return true; });
}

Status restore_affinity_within(const ProcessAffinity& saved, const Cpus& cpus) {
  return restore_threads(saved, [&](const ThreadAffinity& thread) {
    return std::includes(cpus.begin(), cpus.end(), thread.cpus.begin(), thread.cpus.end());
  });
}

const ThreadAffinity* find_thread(const ProcessAffinity& saved, const ThreadAffinity& thread) {
  const auto found = std::find_if(saved.threads.begin(), saved.threads.end(), [&](const ThreadAffinity& one) {
    return one.tid == thread.tid && one.start_ticks == thread.start_ticks;
  });
  return found == saved.threads.end() ? nullptr : &*found;
}

bool is_bound_as(const ProcessAffinity& saved, const ProcessAffinity& now) {
  return std::all_of(now.threads.begin(), now.threads.end(), [&](const ThreadAffinity& thread) {
    const ThreadAffinity* then = find_thread(saved, thread);
    return then == nullptr || then->cpus == thread.cpus;
  });
}

Json to_json(const ProcessAffinity& affinity) {
  Json threads = Json::array();
  for (const ThreadAffinity& one : affinity.threads)
    threads.push_back({{"tid", one.tid}, {"start_ticks", one.start_ticks}, {"cpus", to_list(one.cpus)}});
  return Json{{"process", to_json(affinity.process)}, {"threads", std::move(threads)}};
}

Result<ProcessAffinity> process_affinity_from_json(const Json& json) {
  ClosedObject object(json, "CPU affinity");
  const Json& process = object.object("process");
  const Json& threads = object.array("threads", kMaxThreads);
  GRIT_CHECK(object.done());
  ProcessAffinity affinity;
  GRIT_TRY(affinity.process, process_identity_from_json(process));
  for (const Json& one : threads) {
    ClosedObject fields(one, "CPU affinity of a thread");
    ThreadAffinity thread;
    thread.tid = static_cast<pid_t>(fields.integer("tid", 2, std::numeric_limits<pid_t>::max()));
    thread.start_ticks = fields.integer("start_ticks", 0, std::numeric_limits<std::int64_t>::max());
    const std::string list = fields.text("cpus", kMaxList_bytes);
    GRIT_CHECK(fields.done());
    GRIT_TRY(thread.cpus, cpus_from_list(list));
    affinity.threads.push_back(std::move(thread));
  }
  if (affinity.threads.empty() || affinity.threads.front().tid != affinity.process.pid)
    return usage_error("CPU affinity: the main thread must come first");
  return affinity;
}

}  // namespace grit
