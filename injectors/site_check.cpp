// site_check: a health check of the site, as the fault. Checkers run on the cores of a job, and a synchronous job waits
// for the slowest of its ranks: what does the check itself cost? One of grit's own checks, as `grit check NAME` runs
// it, or any command, run once each time that the fault comes.
//
// It runs as a node's daemon would run it: at normal priority, on any CPU of the node unless `cores` says otherwise,
// and with a time limit, as Slurm has for its HealthCheckProgram (60 s, slurm.conf(5)). It must not go through the
// runner of a run's own checks, whose job is to be harmless.
//
// A worker runs it (run_child), which as a child subreaper also has what leaves the program's session, and ends and
// counts all of it. When the agent is killed, so is the worker, and with it the session by its sentinel; only what has
// left the session then lives on. A worker that does not end its program in time is killed by the agent, which then
// ends what the worker had started, session by session.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <optional>
#include <set>
#include <sstream>

#include "harness/base/clock.hpp"
#include "harness/base/fd.hpp"
#include "harness/base/files.hpp"
#include "harness/base/printable.hpp"
#include "harness/os/child_process.hpp"
#include "harness/os/kernel_text.hpp"
#include "harness/os/process.hpp"
#include "harness/os/process_session.hpp"
#include "injectors/cores.hpp"
#include "injectors/faults.hpp"
#include "injectors/ranks.hpp"
#include "injectors/worker.hpp"

namespace grit {
namespace {

constexpr std::int64_t kBegins_ns = 2 * kNsPerS;  // by then the worker has got a CPU, also of a busy node
constexpr std::int64_t kStops_ns = 3 * kNsPerS;   // run_child() ends everything in a quarter of a second, or 2 s more
constexpr std::int64_t kDies_ns = kNsPerS / 2;    // after SIGKILL; of a busy node, too

constexpr int kWorstOutcome = 3;  // of `grit check`: above that it has not checked anything

/// The fault ends when the time limit does: whichever of the two ends the program, it was the limit.
constexpr std::int64_t kSameTime_ns = 100 * kNsPerMs;

struct Job {
  ChildCommand program{};
  std::int64_t limit_ns = 0;
  Cpus cpus{};          // empty: the agent's own
  bool is_own = false;  // one of grit's own checks
};

/// Of WorkerPage::counters.
enum Counter : std::size_t { kBegun, kRuns, kFailed, kKilled, kCut, kNotRun, kLasted_ns, kCpu_ns, kStuckPid };

/// What came of it, over all the times that it was in force.
struct Tally {
  std::int64_t runs = 0;        // that ended, however
  std::int64_t failed = 0;      // of these, with a status other than 0, or by a signal: a checker may alarm
  std::int64_t killed = 0;      // of these, at the time limit or for a flood of output
  std::int64_t cut = 0;         // ended with the fault
  std::int64_t not_run = 0;     // the program could not be run
  std::int64_t longest_ns = 0;  // the longest run, from its start to its end
  std::int64_t lasted_ns = 0;   // all runs together
  std::int64_t cpu_ns = 0;      // of all processes of all runs

  Tally& operator+=(const WorkerPage& page) {
    const auto of = [&](Counter counter) { return page.counters[counter].load(); };
    runs += of(kRuns), failed += of(kFailed), killed += of(kKilled), cut += of(kCut), not_run += of(kNotRun);
    longest_ns = std::max(longest_ns, of(kLasted_ns));
    lasted_ns += of(kLasted_ns), cpu_ns += of(kCpu_ns);
    return *this;
  }
};

/// Counters: each only grows.
Json to_json(const Tally& tally) {
  return {{"runs", tally.runs},       {"failed", tally.failed},       {"killed", tally.killed}, {"cut", tally.cut},
          {"not_run", tally.not_run}, {"lasted_ns", tally.lasted_ns}, {"cpu_ns", tally.cpu_ns}};
}

bool could_not_run(const ChildResult& result, bool is_own) {
  if (result.end != ChildEnd::exited) return false;
  return is_own ? result.status > kWorstOutcome : result.status == kCannotRun || result.status == kNotFound;
}

/// In the worker, before the count that makes the agent look.
void keep_words(WorkerPage& page, const std::string& words) {
  std::strncpy(page.error, printable(words).c_str(), sizeof page.error - 1);
}

void take(const ChildResult& result, const Job& job, WorkerPage& page) {
  const auto count = [&](Counter counter) { page.counters[counter].fetch_add(1); };
  page.counters[kStuckPid].store(result.stuck_pid);
  const bool stopped = result.end == ChildEnd::stopped;
  if (stopped && page.counters[kLasted_ns].load() + kSameTime_ns < job.limit_ns) return count(kCut);
  if (could_not_run(result, job.is_own)) {
    keep_words(page, fmt::format("it ended with status {}: {}", result.status,
                                 result.errors.empty() ? result.output : result.errors));
    return count(kNotRun);
  }
  const bool by_itself = result.end == ChildEnd::exited || result.end == ChildEnd::signalled;
  if (!by_itself) count(kKilled);
  if (by_itself && (result.end == ChildEnd::signalled || result.status != 0)) count(kFailed);
  count(kRuns);
}

/// CPU time of all that this process has waited for: the program, what it started, and what was left of it.
std::int64_t cpu_of_children_ns() {
  rusage usage{};
  ::getrusage(RUSAGE_CHILDREN, &usage);
  return process_usage(usage).cpu_ns;
}

/// In the worker, which has no children but these: runs it once, and stands by until it is told to stop.
void run_once(Job job, int stop_fd, WorkerPage& page) {
  // A pipe must not become standard input or output, which the program replaces.
  if (::open("/dev/null", O_RDWR) != STDIN_FILENO || ::dup(STDIN_FILENO) != STDOUT_FILENO)
    page.fail("cannot open /dev/null");
  if (!job.cpus.empty())
    if (auto placed = set_affinity_of_thread(0, job.cpus); !placed) page.fail(placed.error().message);
  job.program.stop_fd = stop_fd;
  page.wait_for_start();
  page.counters[kBegun].store(1);
  const std::int64_t begun_ns = monotonic_ns();
  const auto result = run_child(job.program, job.limit_ns);
  page.counters[kLasted_ns].store(monotonic_ns() - begun_ns);
  page.counters[kCpu_ns].store(cpu_of_children_ns());
  if (result) {
    take(*result, job, page);
  } else {
    keep_words(page, result.error().message);
    page.counters[kNotRun].fetch_add(1);
  }
  for (pollfd stop{stop_fd, POLLIN, 0}; ::poll(&stop, 1, -1) < 0;) {
  }
}

/// A session and the process that began it. While any process is in it the kernel gives its number to no other process
/// (pid allocation, kernel/pid.c), so that a process of that number which is another one shows that the session is
/// over.
struct Session {
  pid_t id = 0;
  std::optional<ProcessIdentity> leader{};  // empty: it had ended before
};

/// All that descend from a process and whose parents live, as far as the kernel lists children (proc_pid_children(5)).
std::set<pid_t> descendants_of(pid_t pid) {
  std::set<pid_t> found;
  for (std::vector<pid_t> parents{pid}; !parents.empty();) {
    const std::string tasks = fmt::format("/proc/{}/task", parents.back());
    parents.pop_back();
    for (const std::string& thread : entries_of(tasks)) {
      std::istringstream numbers(read_file(fmt::format("{}/{}/children", tasks, thread)).value_or(""));
      for (pid_t child = 0; numbers >> child;)
        if (found.insert(child).second) parents.push_back(child);
    }
  }
  return found;
}

/// Of what this worker has started, not the agent's own, in which a program is until it begins one.
std::vector<Session> sessions_of(pid_t worker) {
  std::set<pid_t> ids;
  for (const pid_t pid : descendants_of(worker)) ids.insert(::getsid(pid));
  std::vector<Session> sessions;
  for (const pid_t id : ids) {
    if (id <= 0 || id == ::getsid(0)) continue;
    const auto leader = identify_process(id);
    sessions.push_back({id, leader ? std::optional(*leader) : std::nullopt});
  }
  return sessions;
}

/// Zombies are none: nobody may reap them.
std::vector<ProcessIdentity> members_of(const Session& session) {
  const auto now = identify_process(session.id);
  if (now && (!session.leader || now->start_ticks != session.leader->start_ticks)) return {};
  std::vector<ProcessIdentity> members;
  for (const pid_t pid : processes_in_session(session.id)) {
    const auto member = identify_process(pid);
    if (!member || ::getsid(pid) != session.id) continue;  // asked once more: it may have become another process
    if (const auto alive = lives(*member); alive && *alive) members.push_back(*member);
  }
  return members;
}

class RunningCheck final : public Fault {
 public:
  static Result<std::unique_ptr<Fault>> make(Job job) {
    std::unique_ptr<RunningCheck> made(new RunningCheck(std::move(job)));
    GRIT_CHECK(made->make_worker());
    return std::unique_ptr<Fault>(std::move(made));
  }

  Status start() override {
    if (!worker_) GRIT_CHECK(make_worker());
    worker_->start();
    started_ = true;
    return {};
  }

  Status stop() override {
    if (!started_) return end_left();
    started_ = false;
    stop_.reset();  // the worker sees that this end is closed
    const std::int64_t deadline_ns = monotonic_ns() + kStops_ns;
    while (worker_->running() && monotonic_ns() < deadline_ns) ::usleep(1000);
    if (worker_->running())  // it has to be killed, and what it has started lives on
      for (Session& session : sessions_of(worker_->pid())) sessions_.push_back(std::move(session));
    worker_->end();
    past_ += worker_->page();
    const auto stuck_pid = static_cast<pid_t>(worker_->page().counters[kStuckPid].load());
    worker_.reset();
    if (auto stuck = stuck_pid > 0 ? identify_process(stuck_pid) : internal_error("none"); stuck) stuck_ = *stuck;
    return end_left();
  }

  Result<Reading> read() override {
    Reading reading;
    reading.left = started_ || std::any_of(sessions_.begin(), sessions_.end(),
                                           [](const Session& one) { return !members_of(one).empty(); });
    if (stuck_ && !reading.left) {
      GRIT_TRY(reading.left, lives(*stuck_));
    }
    const Tally so_far = tally();
    reading.details = to_json(so_far);
    reading.details["longest_ns"] = so_far.longest_ns;
    if (!worker_) return reading;
    const WorkerPage& page = worker_->page();
    const bool not_run = page.counters[kNotRun].load() > 0;
    reading.holds = worker_->running() && page.counters[kBegun].load() > 0 && !not_run;
    reading.details["worker"] = worker_->pid();
    if (not_run) reading.details["why"] = page.error;
    return reading;
  }

  [[nodiscard]] std::int64_t patience_ns() const override { return kBegins_ns; }
  Result<Json> counters() override { return to_json(tally()); }

 private:
  explicit RunningCheck(Job job) : job_(std::move(job)) {}

  Status make_worker() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("cannot make a pipe for a check");
    const Fd reader(ends[0]);
    stop_ = Fd(ends[1]);
    const int stop_fd = reader.get();
    GRIT_TRY(Worker made,
             Worker::fork("grit-site-check", [this, stop_fd](WorkerPage& page) { run_once(job_, stop_fd, page); },
                          {stop_fd}));
    worker_ = std::move(made);
    return {};
  }

  [[nodiscard]] Tally tally() const {
    Tally all = past_;
    if (worker_) all += worker_->page();
    return all;
  }

  /// What the worker could not end.
  Status end_left() {
    const std::int64_t deadline_ns = monotonic_ns() + kDies_ns;
    while (const auto left = kill_sessions())
      if (monotonic_ns() > deadline_ns)
        return cannot_be_killed(*left);
      else
        ::usleep(1000);
    if (!stuck_) return {};
    GRIT_TRY(const bool alive, lives(*stuck_));
    if (alive) return cannot_be_killed(stuck_->pid);
    stuck_.reset();
    return {};
  }

  /// Kills all that is in them now, and forgets those in which there is nothing more. Returns one that was.
  std::optional<pid_t> kill_sessions() {
    std::optional<pid_t> found;
    std::erase_if(sessions_, [&](const Session& session) {
      const std::vector<ProcessIdentity> members = members_of(session);
      for (const ProcessIdentity& member : members) {
        static_cast<void>(send_signal(member, SIGKILL));  // whether it has died is looked at again
        found = member.pid;
      }
      return members.empty();
    });
    return found;
  }

  /// A process that waits in the kernel dies when what it waits for comes.
  static Status cannot_be_killed(pid_t pid) {
    return internal_error(fmt::format(
        "process {} of the check cannot be killed: it waits in the kernel (D state), for a disk or a file server; "
        "cat /proc/{}/stack",
        pid, pid));
  }

  Job job_;
  Fd stop_{};
  std::optional<Worker> worker_{};
  bool started_ = false;
  Tally past_{};  // of workers that have ended
  std::optional<ProcessIdentity> stuck_{};
  std::vector<Session> sessions_{};  // of a worker that was killed; nothing else ends them for sure
};

/// Its own environment, since a check of grit's goes by it: GRIT_DATA_NICS, LD_LIBRARY_PATH.
std::vector<std::string> own_environment() {
  std::vector<std::string> all;
  for (char** one = environ; *one != nullptr; ++one) all.emplace_back(*one);
  return all;
}

ChildCommand program_of(const Params& params) {
  if (const std::string check = params.text("check"); !check.empty())
    return {.argv = {"/proc/self/exe", "check", "--", check}, .environment = own_environment()};
  return {.argv = {"/bin/sh", "-c", params.text("command")}, .environment = plain_environment()};
}

/// A plan to replay may be anybody's, and grit check has options that write files and run commands.
bool is_name(const std::string& check) {
  return check.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos;
}

Result<Job> job_of(const Target& target) {
  Job job{.program = program_of(target.params),
          .limit_ns = target.params.integer("limit"),
          .is_own = !target.params.text("check").empty()};
  if (target.params.text("cores") == "beside") return job;
  GRIT_TRY(job.cpus, chosen_cores(target));
  return job;
}

class SiteCheck final : public Injector {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{
        .name = "site_check",
        .summary = "A health check, of grit's or the site's own, runs once and takes what it takes",
        .params = {{"check", Unit::text, "", "one of grit's (`grit list checks`), run by `grit check`; or:"},
                   {"command", Unit::text, "", "a line for /bin/sh -c (only with --allow-command)"},
                   {"limit",
                    Unit::time_ns,
                    nullptr,
                    "how long it may take, within a block; it is killed then (Slurm: 60 s, slurm.conf(5))",
                    {},
                    static_cast<double>(10 * kNsPerMs),
                    static_cast<double>(600 * kNsPerS)},
                   {"cores", Unit::text, "all",
                    "where: \"all\", as for a daemon of the node; \"rank\": those of the ranks; \"beside\": those that "
                    "no rank has, if there are such; or a list \"0,2-3\""}},
        .mechanisms = {"program"},
        .needs = {"`command`: --allow-command, /bin/sh and the program"},
        .undo = UndoClass::process,
        .names_check = "check"};
    return info;
  }

  [[nodiscard]] bool runs_commands(const Params& params) const override { return !params.text("command").empty(); }

  [[nodiscard]] Result<std::string> resolve_device(const Node&, const Params& params) const override {
    const std::string command = params.text("command");
    if (command.empty() == params.text("check").empty())
      return usage_error("site_check: give `check`, one of grit's, or `command`, and not both");
    if (!is_name(params.text("check")))
      return usage_error("site_check: `check` must be the name of one of grit's checks; grit list checks shows them");
    if (!is_one_line(command))
      return usage_error(fmt::format("site_check: `command` must be one line of at most {} bytes", kMaxCommand_bytes));
    return std::string();
  }

  [[nodiscard]] std::string mechanism(const Node&, const Params& params) const override {
    const std::string check = params.text("check");
    return check.empty() ? "/bin/sh" : "grit check " + check;
  }

  /// One run each time that it comes.
  [[nodiscard]] std::vector<Pulse> pulses(const Params& params) const override {
    return {{0, params.integer("limit")}};
  }

  [[nodiscard]] Result<Prepared> prepare(const Target& target) const override {
    if (!is_name(target.params.text("check"))) return usage_error("site_check: `check` is no name of a check");
    GRIT_TRY(Job job, job_of(target));
    return without_undo(RunningCheck::make(std::move(job)));
  }

  /// A run that was cut has used CPU time, too; a program that could not be run acts only by its shell.
  [[nodiscard]] bool acted(const Json& before, const Json& after) const override {
    return (grew(before, after, "runs") || grew(before, after, "cut")) && grew(before, after, "cpu_ns");
  }
};

}  // namespace

const Injector& site_check() {
  static const SiteCheck injector;
  return injector;
}

}  // namespace grit
