#include "harness/cluster/ask_in_namespaces.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "harness/base/files.hpp"
#include "harness/os/namespaces.hpp"

namespace grit {
namespace {

constexpr int kAnswered = 0, kNoNamespaces = 1;

[[noreturn]] void answer(const std::function<std::string()>& ask, const Fd& to) {
  Status entered = ::geteuid() == 0 ? Status() : enter_new_user_namespace();
  if (entered) entered = unshare_namespaces(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC);
  const std::string text = entered ? ask() : entered.error().message;
  const bool written = write_all(to.get(), text).has_value();
  ::_exit(!written ? 2 : entered ? kAnswered : kNoNamespaces);
}

}  // namespace

Result<std::string> ask_in_namespaces(const std::function<std::string()>& ask) {
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return errno_error("cannot make a pipe");
  const Fd read_end(ends[0]);
  Fd write_end(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return errno_error("cannot start a process");
  if (child == 0) answer(ask, write_end);
  write_end.reset();
  std::string text;
  std::array<char, 4096> chunk{};
  for (;;) {
    const ssize_t got = ::read(read_end.get(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(chunk.data(), static_cast<std::size_t>(got));
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == kAnswered) return text;
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNoNamespaces) return unavailable_error(text);
  return internal_error("a process that looked around in new namespaces died");
}

}  // namespace grit
