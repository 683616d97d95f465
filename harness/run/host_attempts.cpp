#include "harness/run/host_attempts.hpp"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <set>
#include <thread>
#include <utility>

#include "analysis/report/finish.hpp"
#include "harness/base/clock.hpp"
#include "harness/base/json_fields.hpp"
#include "harness/cluster/launch.hpp"
#include "harness/record/json_lines.hpp"
#include "harness/record/run_dir.hpp"
#include "harness/run/attempts.hpp"
#include "harness/run/baseline.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

constexpr auto kPoll = std::chrono::milliseconds(20);
constexpr std::int64_t kRecorderPatience_ns = 90 * kNsPerS;  // it gives up nodes that do not end after a minute

/// With grit's own standard streams, in its process group: Ctrl-C reaches both.
Result<pid_t> spawn(const std::vector<std::string>& words, const std::vector<std::string>& environment) {
  posix_spawnattr_t attributes{};
  if (const int error = ::posix_spawnattr_init(&attributes); error != 0)
    return errno_error("cannot prepare the launcher", error);
  sigset_t none{};
  sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t pid = -1;
  const int error = ::posix_spawnp(&pid, words.front().c_str(), nullptr, &attributes, exec_pointers(words).data(),
                                   exec_pointers(environment).data());
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0) return errno_error("cannot start " + words.front(), error);
  return pid;
}

struct LauncherEnd {
  int status = 0;  // of waitpid(2)
  bool interrupted = false;
};

/// The signals that end a run are held (HeldSignals): the first that comes is passed on.
LauncherEnd wait_for(pid_t pid) {
  sigset_t ends{};
  sigemptyset(&ends);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&ends, number);
  const timespec poll{.tv_sec = 0, .tv_nsec = std::chrono::nanoseconds(kPoll).count()};
  LauncherEnd end;
  while (::waitpid(pid, &end.status, WNOHANG) == 0) {
    if (::sigtimedwait(&ends, nullptr, &poll) <= 0) continue;
    if (!std::exchange(end.interrupted, true)) ::kill(pid, SIGTERM);
  }
  return end;
}

/// The launcher ends with the ranks; the recorder writes down how the nodes' agents end.
void wait_for_recorder(const fs::path& directory, std::size_t nodes) {
  const std::int64_t deadline_ns = monotonic_ns() + kRecorderPatience_ns;
  while (monotonic_ns() < deadline_ns) {
    std::set<std::int64_t> ended;
    const auto events = JsonLines::open(directory / "events.jsonl", formats::kEvents);
    if (!events) return;
    events->for_each_of({"goodbye", "node_lost", "not_ended"}, [&](const Json& event) {
      if (has_text(event, "type", "goodbye")) ended.insert(integer_at(event, "node"));
      if (has_text(event, "type", "node_lost")) ended.insert(integer_at(event, "lost_node"));
      if (has_text(event, "type", "not_ended"))
        for (const Json& node : event.value("nodes", Json::array())) ended.insert(node.get<std::int64_t>());
    });
    if (ended.size() >= nodes) return;
    std::this_thread::sleep_for(kPoll);
  }
}

/// Starts the job and waits until its recorder has ended, too. `status`: what the launcher ended with.
Result<AttemptRun> run_job(const JobLauncher& launcher, const HostJob& job, const fs::path& directory, int& status) {
  GRIT_TRY(const pid_t pid, spawn(launcher.words(job), launcher.environment(job)));
  const LauncherEnd end = wait_for(pid);
  status = end.status;
  const auto document = read_json(directory / "plan.json");
  std::error_code unreadable;
  if (!document || !fs::exists(directory / "events.jsonl", unreadable))
    return unavailable_error(
        fmt::format("the launcher ended before anything was recorded in {}; with restarts this "
                    "host, too, must see the run directory",
                    directory.string()));
  GRIT_TRY(const Plan plan, plan_from_json(*document));
  wait_for_recorder(directory, plan.topology.nodes.size());
  return AttemptRun{.interrupted = end.interrupted};
}

}  // namespace

Result<int> execute_on_hosts(const Execution& execution, const JobLauncher& launcher, const HostJob& job) {
  const fs::path& directory = execution.run_directory;
  int status = 0;
  const auto first = [&](const Execution&, const fs::path& place) {
    HostJob planning = job;
    planning.environment.push_back(std::string(kRestartsVariable) + "=1");
    return run_job(launcher, planning, place, status);
  };
  const auto again = [&](const Execution& next, const fs::path& place) {
    HostJob resuming = job;
    resuming.command = {job.command.front(), "rank", place.string(), std::to_string(next.port)};
    return run_job(launcher, resuming, place, status);
  };
  const auto ran = run_attempts(execution, directory, first, again);
  if (!ran && WIFEXITED(status) && WEXITSTATUS(status) != 0) return WEXITSTATUS(status);  // who failed has said why
  if (!ran) return tl::make_unexpected(ran.error());
  if (auto finished = finish_run(directory); !finished) return with_context(finished.error(), "cannot finish the run");
  return print_verdict(directory, execution.json, compare_with_baselines(directory, execution.baselines));
}

}  // namespace grit
