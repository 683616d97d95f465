// A process that would use a whole core, ended with its object.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace grit::test {

struct Spinner {
  pid_t pid = ::fork();
  Spinner() {
    if (pid == 0)
      for (;;) {
      }
  }
  Spinner(const Spinner&) = delete;
  Spinner& operator=(const Spinner&) = delete;
  ~Spinner() {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
};

}  // namespace grit::test
