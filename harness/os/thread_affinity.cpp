#include "harness/os/thread_affinity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "harness/base/files.hpp"
#include "harness/os/closed_object.hpp"

namespace grit {
namespace {

constexpr std::size_t kMaxThreads = 100'000;
constexpr std::size_t kMaxList_bytes = 16'384;
constexpr int kRounds = 3;  // a thread that starts meanwhile has what its maker had

/// Nothing: it has ended.
std::optional<std::int64_t> start_of_thread(pid_t pid, pid_t tid) {
  const auto text = read_file(fmt::format("/proc/{}/task/{}/stat", pid, tid));
  if (!text) return std::nullopt;
  const auto name_end = text->rfind(')');  // starttime is the 22nd field, the state behind the name the 3rd
  if (name_end == std::string::npos) return std::nullopt;
  std::size_t at = name_end;
  for (int field = 3; field <= 22; ++field) {
    at = text->find(' ', at + 1);
    if (at == std::string::npos) return std::nullopt;
  }
  return std::stoll(text->substr(at + 1));
}

/// Not an error when the thread ends meanwhile.
Status set_living(pid_t pid, pid_t tid, const Cpus& cpus) {
  auto set = set_affinity_of_thread(tid, cpus);
  return !set && !start_of_thread(pid, tid) ? Status{} : set;
}

}  // namespace

Result<ProcessAffinity> read_affinity(const ProcessIdentity& process) {
  ProcessAffinity all{.process = process};
  GRIT_TRY(const auto threads, threads_of(process));
  for (const pid_t tid : threads) {
    const auto start_ticks = start_of_thread(process.pid, tid);
    auto cpus = affinity_of_thread(tid);
    if (!start_ticks) continue;  // it has just ended
    if (!cpus && start_of_thread(process.pid, tid)) return tl::make_unexpected(cpus.error());
    if (!cpus) continue;
    all.threads.push_back({tid, *start_ticks, std::move(*cpus)});
  }
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

Status restore_affinity(const ProcessAffinity& saved) {
  for (int round = 0; round < kRounds; ++round) {
    GRIT_TRY(const auto threads, threads_of(saved.process));
    for (const pid_t tid : threads) {
      const auto start_ticks = start_of_thread(saved.process.pid, tid);
      const auto known = std::find_if(saved.threads.begin(), saved.threads.end(), [&](const ThreadAffinity& one) {
        return one.tid == tid && start_ticks == one.start_ticks;
      });
      const Cpus& cpus = known == saved.threads.end() ? saved.threads.front().cpus : known->cpus;
      GRIT_CHECK(set_living(saved.process.pid, tid, cpus));
    }
  }
  return {};
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
