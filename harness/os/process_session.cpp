#include "harness/os/process_session.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <filesystem>
#include <string>

#include "harness/base/clock.hpp"
#include "harness/base/fd.hpp"

namespace grit {
namespace {

/// Reaches a process of this session or none: a number can become another process's meanwhile, a pidfd cannot.
void signal_member(pid_t pid, pid_t session, int number) {
  const Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (::getsid(pid) != session) return;  // asked after the pidfd was opened
  if (process)
    ::syscall(SYS_pidfd_send_signal, process.get(), number, nullptr, 0);
  else
    ::kill(pid, number);  // Linux before 5.3
}

}  // namespace

std::vector<pid_t> processes_in_session(pid_t session) {
  std::vector<pid_t> found;
  std::error_code error;
  for (std::filesystem::directory_iterator it("/proc", error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    pid_t pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc()) continue;
    if (pid > 0 && ::getsid(pid) == session) found.push_back(pid);
  }
  return found;
}

bool signal_session(pid_t session, int number, std::set<pid_t>& reached) {
  bool any = false;
  for (const pid_t pid : processes_in_session(session)) {
    if (!reached.insert(pid).second) continue;
    signal_member(pid, session, number);
    any = true;
  }
  return any;
}

void kill_session(pid_t session, std::int64_t deadline_ns) {
  std::set<pid_t> reached;
  while (signal_session(session, SIGKILL, reached) && monotonic_ns() < deadline_ns) {
  }
}

}  // namespace grit
