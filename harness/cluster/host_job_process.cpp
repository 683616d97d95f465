#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "harness/base/clock.hpp"
#include "harness/cluster/job_launcher.hpp"
#include "harness/cluster/launch.hpp"
#include "harness/os/namespaces.hpp"
#include "harness/os/process_session.hpp"

namespace grit {
namespace {

constexpr std::size_t kKeptOutput_bytes = std::size_t{1} << 20;
/// Of one call: a launcher that prints without end does not keep its reader for ever.
constexpr std::size_t kReadAtOnce_bytes = std::size_t{4} << 20;
/// For the output of a launcher that has ended and whose children hold it.
constexpr std::int64_t kLastWords_ns = kNsPerS;
/// After SIGKILL, for a session that starts processes as fast as they are killed.
constexpr std::int64_t kKilling_ns = 200 * kNsPerMs;
constexpr std::int64_t kDying_ns = kNsPerS;  // and until it is dead
/// After the first SIGKILL: one that lives by then waits in the kernel (state D), for as long as its server is away.
constexpr std::int64_t kLetGo_ns = 5 * kNsPerS;

/// Between fork and exec: system calls only.
[[noreturn]] void become(pid_t parent, int signal_of_orphan, const char* program, char* const* arguments,
                         char* const* environment, int output) {
  ::prctl(PR_SET_PDEATHSIG, signal_of_orphan);
  if (::getppid() != parent) ::_exit(127);
  ::setsid();
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);  // an ignored one stays so over execve(2)
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  const int input = ::open("/dev/null", O_RDONLY);
  ::dup2(input, STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  ::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
  ::execve(program, arguments, environment);
  constexpr char kWords[] = "grit: the launcher cannot be run\n";
  if (::write(STDERR_FILENO, kWords, sizeof kWords - 1) < 0) ::_exit(126);
  ::_exit(127);
}

}  // namespace

struct HostJobProcess::Private {
  pid_t pid = -1;  // and its session's number, which is no other's until it is reaped
  Fd process{};
  Fd output{};
  std::string kept{};
  bool ended = false;               // it is a zombie, or reaped
  bool reaped = false;              // its session has been killed before
  bool let_go = false;              // it was killed, and lives
  int status = 0;                   // of waitpid(2)
  std::int64_t ended_ns = 0;        // seen
  std::int64_t kill_ns = 0;         // when the patience is over; 0: there is no end to it
  std::int64_t killed_ns = 0;       // the first SIGKILL
  std::array<char, 65536> chunk{};  // of what is read

  Private() = default;
  Private(const Private&) = delete;
  Private& operator=(const Private&) = delete;
  ~Private() {
    if (pid <= 0 || reaped || let_go) return;
    ::kill(pid, SIGKILL);  // should it not have come to its own session yet
    kill_session(pid, monotonic_ns() + kKilling_ns);
    // One that waits in the kernel for a file server does not keep grit.
    for (const std::int64_t deadline_ns = monotonic_ns() + kDying_ns; !reap() && monotonic_ns() < deadline_ns;)
      ::usleep(1000);
  }

  void see_end() {
    siginfo_t info{};
    if (ended || ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) != 0) return;
    if (info.si_pid != pid) return;
    ended = true;
    ended_ns = monotonic_ns();
    process.reset();
  }

  /// Nobody waits for it any more, and its status is that of what SIGKILL ends.
  bool leave_to_the_kernel() {
    let_go = true;
    status = SIGKILL;
    process.reset();
    output.reset();
    return true;
  }

  bool reap() {
    const pid_t got = ::waitpid(pid, &status, WNOHANG);
    return reaped = got == pid || (got < 0 && errno != EINTR);
  }
};

HostJobProcess::HostJobProcess(std::unique_ptr<Private> made) : private_(std::move(made)) {}
HostJobProcess::HostJobProcess(HostJobProcess&&) noexcept = default;
HostJobProcess& HostJobProcess::operator=(HostJobProcess&&) noexcept = default;
HostJobProcess::~HostJobProcess() = default;

Result<HostJobProcess> HostJobProcess::start(const JobLauncher& launcher, const HostJob& job) {
  const auto words = launcher.words(job);
  const auto environment = launcher.environment(job);
  GRIT_ASSERT(!words.empty());
  const auto program = program_in_path(words.front());
  if (!program)
    return unavailable_error(
        fmt::format("the launcher \"{}\" needs {}, which is not in PATH: install it, or add its "
                    "directory to PATH",
                    launcher.name(), words.front()));
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("cannot make a pipe for a launcher");
  auto made = std::make_unique<Private>();
  made->output.reset(ends[0]);
  const Fd writer(ends[1]);
  ::fcntl(made->output.get(), F_SETFL, O_NONBLOCK);
  const auto argument_pointers = exec_pointers(words), environment_pointers = exec_pointers(environment);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return errno_error("cannot start a launcher");
  if (pid == 0)
    become(parent, launcher.signal_of_orphan(), program->c_str(), argument_pointers.data(), environment_pointers.data(),
           writer.get());
  made->pid = pid;
  GRIT_TRY(made->process, open_process(pid));
  return HostJobProcess(std::move(made));
}

int HostJobProcess::pid_descriptor() const { return private_->process.get(); }
int HostJobProcess::output_descriptor() const { return private_->output.get(); }

void HostJobProcess::read_output() {
  auto& at = *private_;
  for (std::size_t bytes = 0; at.output && bytes < kReadAtOnce_bytes;) {
    const ssize_t got = ::read(at.output.get(), at.chunk.data(), at.chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return at.output.reset();
    bytes += static_cast<std::size_t>(got);
    at.kept.append(at.chunk.data(), static_cast<std::size_t>(got));
    if (at.kept.size() > kKeptOutput_bytes) at.kept.erase(0, at.kept.size() - kKeptOutput_bytes);
  }
}

void HostJobProcess::end(std::int64_t patience_ns) {
  auto& at = *private_;
  at.see_end();
  if (at.ended) return;
  const std::int64_t kill_ns = monotonic_ns() + patience_ns;
  if (at.kill_ns == 0) ::kill(at.pid, SIGTERM);
  at.kill_ns = at.kill_ns == 0 ? kill_ns : std::min(at.kill_ns, kill_ns);
}

bool HostJobProcess::poll() {
  auto& at = *private_;
  if (at.let_go || (at.reaped && !at.output)) return true;
  read_output();
  at.see_end();
  if (!at.ended && at.kill_ns != 0 && monotonic_ns() >= at.kill_ns) {
    ::kill(at.pid, SIGKILL);  // should it not have come to its own session yet
    kill_session(at.pid, monotonic_ns() + kKilling_ns);
    at.see_end();
    if (at.killed_ns == 0) at.killed_ns = monotonic_ns();
    if (!at.ended && monotonic_ns() >= at.killed_ns + kLetGo_ns) return at.leave_to_the_kernel();
  }
  if (!at.ended || (at.output && monotonic_ns() < at.ended_ns + kLastWords_ns)) return false;
  kill_session(at.pid, monotonic_ns() + kKilling_ns);
  at.reap();
  read_output();
  at.output.reset();
  return true;
}

int HostJobProcess::status() const { return private_->status; }
const std::string& HostJobProcess::output() const { return private_->kept; }

}  // namespace grit
