#include "harness/os/spawn.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

namespace grit {

Fd lifted(int fd) { return Fd(::fcntl(fd, F_DUPFD_CLOEXEC, kAboveInherited)); }

SpawnActions::SpawnActions() {
  GRIT_ASSERT(posix_spawn_file_actions_init(&actions_) == 0 && posix_spawnattr_init(&attributes_) == 0);
}

SpawnActions::~SpawnActions() {
  posix_spawn_file_actions_destroy(&actions_);
  posix_spawnattr_destroy(&attributes_);
}

void SpawnActions::open(int fd, const char* path, int flags) {
  GRIT_ASSERT(posix_spawn_file_actions_addopen(&actions_, fd, path, flags, 0) == 0);
}

void SpawnActions::dup(int from, int to) { GRIT_ASSERT(posix_spawn_file_actions_adddup2(&actions_, from, to) == 0); }

Result<pid_t> SpawnActions::spawn(const Process& process) {
  sigset_t blocked{};
  sigemptyset(&blocked);
  for (const int number : process.blocked_signals) sigaddset(&blocked, number);
  posix_spawnattr_setsigmask(&attributes_, &blocked);
  const int session = process.own_session ? POSIX_SPAWN_SETSID : 0;
  posix_spawnattr_setflags(&attributes_, static_cast<short>(POSIX_SPAWN_SETSIGMASK | session));
  std::vector<char*> arguments, environment;
  for (const std::string& one : process.arguments) arguments.push_back(const_cast<char*>(one.c_str()));
  for (const std::string& one : process.environment) environment.push_back(const_cast<char*>(one.c_str()));
  for (char** one = environ; *one != nullptr; ++one) environment.push_back(*one);
  arguments.push_back(nullptr);
  environment.push_back(nullptr);
  pid_t pid = -1;
  const int error =
      posix_spawn(&pid, process.program.c_str(), &actions_, &attributes_, arguments.data(), environment.data());
  if (error != 0) return errno_error(fmt::format("cannot start {}", fmt::join(process.arguments, " ")), error);
  return pid;
}

}  // namespace grit
