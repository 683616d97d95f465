// Makes one system call of a process fail, as a real kernel would: for error paths that no set-up can reach.
#pragma once

#include <functional>

namespace grit::test {

struct FailedCall {
  bool happened = false;  // there was an nth call
  long number = 0;        // which system call it was (SYS_*)
  int wait_status = 0;    // of the process, waitpid(2)
};

/// Forks, runs `body` in the child under ptrace(2), and lets the nth (from 1) of its calls that change something or
/// talk to the kernel's subsystems (open for writing, write, sendmsg, kill, fork, setns, fsync ...) fail with EIO.
/// Threads of the child count as well, its own child processes do not. The child's exit code is what `body` returns.
FailedCall fail_nth_call(int nth, const std::function<int()>& body);

}  // namespace grit::test
