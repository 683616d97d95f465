#include "harness/cluster/local_node.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "harness/base/files.hpp"
#include "harness/cluster/layout.hpp"
#include "harness/os/namespaces.hpp"

namespace grit {
namespace {

Status make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) != 0) return errno_error("cannot make " + path);
  return {};
}

bool is_mount_point(const char* directory, const char* parent) {
  struct stat inner {};
  struct stat outer {};
  return ::stat(directory, &inner) == 0 && ::stat(parent, &outer) == 0 && inner.st_dev != outer.st_dev;
}

// A sysfs shows the network devices of the namespace that mounts it, so each node needs a new one; the cgroup
// hierarchies that were mounted in the old one are taken along.
Status replace_sysfs() {
  const std::string staging = std::string(layout::kPrivateDirectory) + "/grit-sys";
  GRIT_CHECK(make_directory(staging));
  GRIT_CHECK(mount_sysfs(staging));
  if (is_mount_point("/sys/fs/cgroup", "/sys")) GRIT_CHECK(bind_mount("/sys/fs/cgroup", staging + "/fs/cgroup"));
  GRIT_CHECK(move_mount(staging, "/sys"));
  ::rmdir(staging.c_str());
  return {};
}

// The switch's network namespace as a path, for faults on the far end of a veth.
Status expose_switch(const Fd& switch_netns) {
  const Fd file(::open(layout::kSwitchNetns, O_CREAT | O_EXCL | O_RDONLY | O_CLOEXEC, 0444));
  if (!file) return errno_error(fmt::format("cannot make {}", layout::kSwitchNetns));
  return bind_mount(fmt::format("/proc/self/fd/{}", switch_netns.get()), layout::kSwitchNetns);
}

Status become_node(int node, const std::string& program) {
  // The present /proc belongs to the cluster's pid namespace, where this process is not number 1, but "self" is right
  // in any.
  Fd switch_netns(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!switch_netns) return errno_error("cannot open /proc/self/ns/net");
  GRIT_CHECK(unshare_namespaces(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC));
  GRIT_CHECK(make_mounts_private());
  GRIT_CHECK(mount_private_view(program));
  GRIT_CHECK(expose_switch(switch_netns));
  return set_hostname(layout::node_name(node));
}

[[noreturn]] void reap_forever() {
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child, nullptr);
  for (;;) {
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    int signal_number = 0;
    sigwait(&child, &signal_number);
  }
}

}  // namespace

Status mount_private_view(const std::string& program) {
  GRIT_CHECK(mount_tmpfs(layout::kPrivateDirectory));
  GRIT_CHECK(mount_proc("/proc"));
  GRIT_CHECK(replace_sysfs());
  if (::symlink(program.c_str(), layout::kProgram) != 0)
    return errno_error(fmt::format("cannot make {}", layout::kProgram));
  return {};
}

void run_node_init(int node, const std::string& program, Fd report) {
  const auto ready = become_node(node, program);
  // One byte for the kind, then the message; a reader that is gone has ended the cluster, which ends this process too.
  const std::string message =
      ready ? std::string(1, '\0') : static_cast<char>(ready.error().kind) + ready.error().message;
  static_cast<void>(write_all(report.get(), message));
  if (!ready) ::_exit(1);
  report.reset();
  reap_forever();
}

Status await_node_init(const Fd& report) {
  std::string text;
  std::array<char, 4096> chunk{};
  for (;;) {
    const ssize_t got = ::read(report.get(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error("cannot hear from a node's init");
    if (got == 0) break;
    text.append(chunk.data(), static_cast<std::size_t>(got));
  }
  if (text.empty()) return internal_error("a node's init was killed while it started (out of memory?)");
  if (text[0] == 0) return {};
  return Failure(Error{static_cast<ErrorKind>(text[0]), text.substr(1)});
}

}  // namespace grit
