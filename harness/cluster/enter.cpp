// `grit enter-node`: how Open MPI gets into a node, and how a rank gets at grit's terminal.
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "harness/base/files.hpp"
#include "harness/cluster/layout.hpp"
#include "harness/cluster/local.hpp"
#include "harness/os/cgroup_files.hpp"
#include "harness/os/namespaces.hpp"

namespace grit {
namespace {

constexpr int kExitNotFound = 127;  // as sh says it

// The standard streams of the node's init are grit's own; taking the same open file, not a second one of the same name,
// lets sockets work too and a file keep one offset. Where the kernel forbids it (seccomp), Open MPI goes on forwarding.
void take_over_output() {
  const auto init = open_process(1);
  if (!init) return;
  for (const int stream : {STDOUT_FILENO, STDERR_FILENO})
    if (const auto original = copy_descriptor(*init, stream)) ::dup2(original->get(), stream);
}

int become(const std::vector<std::string>& command) {
  std::vector<char*> arguments;
  for (const auto& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  ::execvp(arguments[0], arguments.data());
  fmt::print(stderr, "grit: cannot run {}: {}\n", command[0], std::strerror(errno));
  return kExitNotFound;
}

Result<pid_t> init_of(const std::string& host) {
  if (host.find('/') != std::string::npos) return usage_error("not a node's address: " + host);
  const auto text = read_file(std::filesystem::path(layout::kNodeDirectory) / host, 32);
  if (!text) return usage_error(fmt::format("{} is no node of a local cluster around this process", host));
  return static_cast<pid_t>(std::stol(*text));
}

Status enter(const std::string& host) {
  GRIT_TRY(const pid_t init, init_of(host));
  std::error_code no_directory;
  const auto directory = std::filesystem::current_path(no_directory);
  cgroup_files::follow_into_groups_of(init);  // before: the node's /proc does not show this process
  GRIT_CHECK(enter_namespaces_of(init, CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID));
  // Entering a mount namespace moves the working directory to its root.
  if (no_directory || ::chdir(directory.c_str()) != 0) {
    if (::chdir("/") != 0) return errno_error("chdir /");
  }
  return {};
}

// For the cluster's init, which gives up on a launch that does not come up.
void note_start() { const Fd mark(::open(layout::kRankStarted, O_WRONLY | O_CREAT | O_CLOEXEC, 0444)); }

// As ssh does it: the words joined by spaces, read by a shell.
int run_in_node(const std::string& host, const std::vector<std::string>& words) {
  if (const auto entered = enter(host); !entered) {
    fmt::print(stderr, "grit enter-node: {}\n", entered.error().message);
    return static_cast<int>(entered.error().kind);
  }
  const pid_t child = ::fork();  // only a child is in the new pid namespace
  if (child < 0) return static_cast<int>(ErrorKind::internal);
  if (child == 0) ::_exit(become({"/bin/sh", "-c", fmt::format("{}", fmt::join(words, " "))}));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

int enter_node_main(const std::vector<std::string>& arguments) {
  try {
    if (arguments.size() < 2) {
      fmt::print(stderr, "grit enter-node is for a launcher's use only: grit enter-node HOST COMMAND...\n");
      return static_cast<int>(ErrorKind::usage);
    }
    const std::vector<std::string> command(arguments.begin() + 1, arguments.end());
    if (arguments[0] != "-") return run_in_node(arguments[0], command);
    take_over_output();
    note_start();
    return become(command);
  } catch (const std::exception& error) {
    fmt::print(stderr, "grit enter-node: {}\n", error.what());
    return static_cast<int>(ErrorKind::internal);
  }
}

}  // namespace grit
