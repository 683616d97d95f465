#include "tests/conformance/syscall_failures.hpp"

#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <map>

#include "tests/catch.hpp"

namespace grit::test {
namespace {

bool may_fail(const user_regs_struct& regs) {
  const auto number = static_cast<long>(regs.orig_rax);
  if (number == SYS_openat) return (regs.rdx & (O_WRONLY | O_RDWR | O_CREAT)) != 0;
  static constexpr std::array kCalls{SYS_write,         SYS_pwrite64,
                                     SYS_sendmsg,       SYS_sendto,
                                     SYS_recvmsg,       SYS_kill,
                                     SYS_tgkill,        SYS_pidfd_send_signal,
                                     SYS_fork,          SYS_vfork,
                                     SYS_clone,         SYS_clone3,
                                     SYS_setns,         SYS_mkdir,
                                     SYS_rmdir,         SYS_fsync,
                                     SYS_fdatasync,     SYS_ftruncate,
                                     SYS_socket,        SYS_connect,
                                     SYS_bind,          SYS_sched_setaffinity,
                                     SYS_clock_adjtime, SYS_unlink,
                                     SYS_renameat2,     SYS_memfd_create,
                                     SYS_pidfd_open,    SYS_setpriority};
  return std::find(kCalls.begin(), kCalls.end(), number) != kCalls.end();
}

[[noreturn]] void run_traced(const std::function<int()>& body) {
  ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
  ::raise(SIGSTOP);
  int code = 99;
  try {
    code = body();
  } catch (...) {  // Catch has printed it
  }
  std::fflush(nullptr);
  ::_exit(code);
}

/// Follows the threads of one process from stop to stop.
class Tracer {
 public:
  Tracer(pid_t child, int nth) : child_(child), nth_(nth) {}

  FailedCall follow() {
    int status = 0;
    REQUIRE(::waitpid(child_, &status, __WALL) == child_);
    REQUIRE(WIFSTOPPED(status));
    REQUIRE(::ptrace(PTRACE_SETOPTIONS, child_, nullptr,
                     PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL) == 0);
    go_on(child_, 0);
    for (;;) {
      const pid_t thread = ::waitpid(-1, &status, __WALL);
      if (thread < 0) return outcome_;
      if (WIFEXITED(status) || WIFSIGNALED(status)) {
        if (thread != child_) continue;
        outcome_.wait_status = status;
        return outcome_;
      }
      if (WIFSTOPPED(status)) take_stop(thread, status);
    }
  }

 private:
  static void go_on(pid_t thread, int signal_number) {
    ::ptrace(PTRACE_SYSCALL, thread, nullptr, static_cast<long>(signal_number));
  }

  void take_stop(pid_t thread, int status) {
    const int signal_number = WSTOPSIG(status);
    if (signal_number == (SIGTRAP | 0x80)) {
      take_call(thread);
      go_on(thread, 0);
    } else if (signal_number == SIGTRAP || (signal_number == SIGSTOP && !known_[thread])) {
      known_[thread] = true;  // a new thread's first stop, or the event that announces it
      go_on(thread, 0);
    } else {
      go_on(thread, signal_number);
    }
  }

  void take_call(pid_t thread) {
    known_[thread] = true;
    user_regs_struct regs{};
    if (::ptrace(PTRACE_GETREGS, thread, nullptr, &regs) != 0) return;
    bool& inside = inside_[thread];
    inside = !inside;
    if (inside) {
      if (!may_fail(regs) || ++seen_ != nth_) return;
      outcome_.happened = true;
      outcome_.number = static_cast<long>(regs.orig_rax);
      regs.orig_rax = static_cast<decltype(regs.orig_rax)>(-1);  // no such call: nothing happens
      failing_ = thread;
      ::ptrace(PTRACE_SETREGS, thread, nullptr, &regs);
    } else if (failing_ == thread) {
      failing_ = -1;
      regs.rax = static_cast<decltype(regs.rax)>(-EIO);
      ::ptrace(PTRACE_SETREGS, thread, nullptr, &regs);
    }
  }

  pid_t child_;
  int nth_;
  int seen_ = 0;
  pid_t failing_ = -1;
  std::map<pid_t, bool> inside_{}, known_{};
  FailedCall outcome_{};
};

}  // namespace

FailedCall fail_nth_call(int nth, const std::function<int()>& body) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) run_traced(body);
  return Tracer(child, nth).follow();
}

}  // namespace grit::test
