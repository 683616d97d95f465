// Starting a process of grit's own beside this one: posix_spawn(3), which is safe after MPI_Init and in a process with
// threads, and inherited descriptors at known numbers.
#pragma once

#include <spawn.h>
#include <sys/types.h>

#include <csignal>
#include <string>
#include <vector>

#include "harness/base/fd.hpp"
#include "harness/base/result.hpp"

namespace grit {

/// A copy of a descriptor above the numbers at which a process that is started finds its own, so that no dup() in it
/// overwrites another.
Fd lifted(int fd);
inline constexpr int kAboveInherited = 16;

/// What becomes of descriptors on the way into the new process; nothing else is closed.
class SpawnActions {
 public:
  SpawnActions();
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
  ~SpawnActions();
  void open(int fd, const char* path, int flags);
  /// `from`: lifted(), and open until spawn() has returned.
  void dup(int from, int to);

  struct Process {
    std::string program{};                   // its path
    std::vector<std::string> arguments{};    // the first is its name
    std::vector<std::string> environment{};  // "NAME=value", before what this process has
    std::vector<int> blocked_signals{};  // in all its threads from its first moment: libraries start some before main
    bool own_session = false;
  };
  /// Error (internal): it cannot be started, and why.
  Result<pid_t> spawn(const Process& process);

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

}  // namespace grit
