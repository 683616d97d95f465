#include "harness/agent/heir.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <optional>
#include <utility>

#include "harness/agent/agent_process.hpp"
#include "harness/agent/journal.hpp"
#include "harness/agent/journal_files.hpp"
#include "harness/agent/node_lock.hpp"
#include "harness/agent/own_place.hpp"
#include "harness/base/clock.hpp"
#include "harness/base/fd.hpp"
#include "harness/base/files.hpp"
#include "harness/base/own_pause.hpp"
#include "harness/os/namespaces.hpp"

namespace grit {
namespace {

constexpr int kLook_ms = 20;  // with the agent gone: is the rank, or is there another agent?
/// A rank's thread starts another agent within some 2 s; one that is stopped with its rank does not.
constexpr std::int64_t kSuccessor_ns = 5 * kNsPerS;
constexpr std::int64_t kLockPatience_ns = 5 * kNsPerS;  // another heir of this node may be at it
constexpr int kLeaseLook_ms = 1000;
constexpr int kAgentDies_ms = 2000;
constexpr int kAnswerTimeout_ms = 5000;

/// Also when there was none to open: it had ended.
bool ends_within(const Fd& process, int timeout_ms) {
  pollfd end{process.get(), POLLIN, 0};
  return !process || ::poll(&end, 1, timeout_ms) == 1;
}

/// `lock`: of the node; nothing where it is held by an agent that can do nothing any more.
void revert_all(const std::filesystem::path& journal_directory, const std::optional<Result<NodeLock>>& lock) {
  const auto say = [](const std::string& what) { fmt::print(stderr, "grit heir: {}\n", what); };
  if (lock && !*lock) return say(lock->error().message);
  const auto files = find_journals(journal_directory);
  if (!files) return say(files.error().message);
  for (const auto& file : files->of_this_node) {
    const auto report = revert_journal(file, ::geteuid());
    if (!report) say(report.error().message);
    if (report)
      for (const std::string& problem : report->problems) say(problem);
  }
}

/// SIGKILL ends a stopped process, too; but not one in a frozen control group of version 1, or one that waits for a
/// device, until it goes on. That ends the system call that it is in, at most, and holds the lock on the node.
void take_over(const Fd& agent, const std::filesystem::path& journal_directory, NodeControl& control) {
  control.still_since_ns.store(control.agent_beat_ns.load());
  ::syscall(SYS_pidfd_send_signal, agent.get(), SIGKILL, nullptr, 0);
  std::optional<Result<NodeLock>> lock;
  if (ends_within(agent, kAgentDies_ms)) lock.emplace(NodeLock::acquire(kLockPatience_ns));
  revert_all(journal_directory, lock);
}

[[noreturn]] void run_child(pid_t agent_pid, const std::filesystem::path& journal_directory, const Segment& segment,
                            int answer) {
  ::prctl(PR_SET_NAME, "grit-heir");
  ::setsid();
  // A batch system asks all of a job to end first.
  for (const int ignored : {SIGPIPE, SIGXFSZ, SIGHUP, SIGINT, SIGTERM}) ::signal(ignored, SIG_IGN);
  // Sockets whose closing undoes a fault must not stay open here, nor the lock on the node.
  if (answer > STDERR_FILENO + 1) ::close_range(STDERR_FILENO + 1, static_cast<unsigned>(answer) - 1, 0);
  ::close_range(static_cast<unsigned>(answer) + 1, ~0U, 0);
  const Fd line(answer);
  const Fd agent = open_process(agent_pid).value_or(Fd()), rank = open_process(segment.slots()[0].pid).value_or(Fd());
  leave_control_groups();
  static_cast<void>(keep_in_memory());  // the agent has said why not, if not
  const std::string cgroups = read_file("/proc/self/cgroup").value_or("");
  static_cast<void>(::send(line.get(), cgroups.data(), cgroups.size(), MSG_NOSIGNAL));
  OwnPause pause(kOwnPause_ns);
  while (!ends_within(agent, kLeaseLook_ms)) {
    const std::int64_t now_ns = monotonic_ns();
    pause.turn(now_ns);
    // After a pause that stopped all, the agent first has its time again.
    const bool has_its_time = pause.silence_ns(0, now_ns) < kLeaseGrace_ns;
    if (has_its_time || !lease_overdue(segment.control(), kLeaseGrace_ns, now_ns)) continue;
    take_over(agent, journal_directory, segment.control());
    ::_exit(0);
  }
  const std::uint32_t generation = segment.control().agent_generation.load();
  for (const std::int64_t until_ns = monotonic_ns() + kSuccessor_ns; monotonic_ns() < until_ns;) {
    if (ends_within(rank, kLook_ms)) break;
    if (segment.control().agent_generation.load() != generation) ::_exit(0);  // the rank's thread has started another
  }
  revert_all(journal_directory, NodeLock::acquire(kLockPatience_ns));
  ::_exit(0);
}

}  // namespace

Result<Heir> Heir::fork(const std::filesystem::path& journal_directory, const Segment& segment) {
  std::array<int, 2> ends{-1, -1};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) return errno_error("socketpair");
  const Fd ours(ends[0]);
  Fd theirs(ends[1]);
  const pid_t agent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return errno_error("cannot fork the agent's heir");
  if (pid == 0) run_child(agent, journal_directory, segment, theirs.release());
  Heir heir(pid);
  theirs.reset();
  pollfd answer{ours.get(), POLLIN, 0};
  std::array<char, 65536> text{};
  const ssize_t got =
      ::poll(&answer, 1, kAnswerTimeout_ms) == 1 ? ::recv(ours.get(), text.data(), text.size(), MSG_DONTWAIT) : 0;
  if (got <= 0) return internal_error("the agent's heir did not answer");
  heir.cgroups_.assign(text.data(), static_cast<std::size_t>(got));
  return heir;
}

Heir::Heir(Heir&& other) noexcept : pid_(std::exchange(other.pid_, -1)), cgroups_(std::move(other.cgroups_)) {}

Heir& Heir::operator=(Heir&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(cgroups_, other.cgroups_);
  return *this;
}

Heir::~Heir() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace grit
