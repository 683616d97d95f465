#include "harness/os/shell.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>

#include "harness/base/clock.hpp"
#include "harness/base/fd.hpp"

namespace grit {
namespace {

constexpr std::size_t kMaxOutput_bytes = 4096;

/// Between fork and exec of a process that may have threads: system calls only. Not posix_spawn(3), which cannot ask
/// for PR_SET_PDEATHSIG: a command must not go on when the agent is gone, while somebody reverts.
[[noreturn]] void become_shell(pid_t parent, const char* command, int output) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);
  ::setpgid(0, 0);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  const int input = ::open("/dev/null", O_RDONLY);
  if (input < 0 || ::dup2(input, STDIN_FILENO) < 0 || ::dup2(output, STDOUT_FILENO) < 0 ||
      ::dup2(output, STDERR_FILENO) < 0)
    ::_exit(127);
  ::close_range(3, ~0U, 0);
  ::execl("/bin/sh", "sh", "-c", command, nullptr);
  ::_exit(127);
}

/// Reads what it says until it says no more. False: the time was up.
bool read_output(int fd, std::int64_t deadline_ns, std::string& output) {
  for (std::array<char, 1024> part{};;) {
    const std::int64_t left_ns = deadline_ns - monotonic_ns();
    if (left_ns <= 0) return false;
    pollfd readable{.fd = fd, .events = POLLIN, .revents = 0};
    const int polled = ::poll(&readable, 1, static_cast<int>(std::min<std::int64_t>(left_ns / kNsPerMs + 1, 1000)));
    if (polled <= 0) continue;
    const auto n = ::read(fd, part.data(), part.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return true;
    const std::size_t room = kMaxOutput_bytes - output.size();
    output.append(part.data(), std::min(room, static_cast<std::size_t>(n)));
  }
}

/// False: the time was up.
bool wait_until(pid_t pid, std::int64_t deadline_ns, int& status) {
  for (;;) {
    const pid_t ended = ::waitpid(pid, &status, WNOHANG);
    if (ended == pid) return true;
    if (ended < 0 && errno != EINTR) return false;
    if (monotonic_ns() > deadline_ns) return false;
    ::usleep(1000);
  }
}

}  // namespace

Result<ShellResult> run_in_shell(const std::string& command, std::int64_t limit_ns) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("cannot make a pipe for a command");
  const Fd reader(ends[0]);
  Fd writer(ends[1]);
  const std::int64_t deadline_ns = monotonic_ns() + limit_ns;
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return errno_error("cannot start a shell");
  if (pid == 0) become_shell(parent, command.c_str(), writer.get());
  ::setpgid(pid, pid);  // here as well: whoever comes first
  writer.reset();
  ShellResult result;
  int status = 0;
  if (!read_output(reader.get(), deadline_ns, result.output) || !wait_until(pid, deadline_ns, status)) {
    ::kill(-pid, SIGKILL);
    ::kill(pid, SIGKILL);
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return internal_error(
        fmt::format("\"{}\" was killed: it took longer than {} ms, or left something running that holds its output",
                    command, limit_ns / kNsPerMs));
  }
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace grit
