#include "harness/cluster/cluster_init.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "harness/base/clock.hpp"
#include "harness/base/files.hpp"
#include "harness/cluster/job.hpp"
#include "harness/cluster/launch.hpp"
#include "harness/cluster/layout.hpp"
#include "harness/cluster/local_node.hpp"
#include "harness/cluster/switch.hpp"
#include "harness/os/namespaces.hpp"

namespace grit {
namespace control {

Json error_message(const Error& error) {
  return Json{{"error", {{"kind", static_cast<int>(error.kind)}, {"message", error.message}}}};
}

Json end_message(int job_status, bool interrupted) {
  return Json{{"job_status", job_status}, {"interrupted", interrupted}};
}

void send(int socket, const Json& message) {
  const auto text = json_text(message);
  static_cast<void>(::send(socket, text.data(), text.size(), MSG_NOSIGNAL));
}

}  // namespace control

void close_other_descriptors(int kept) {
  constexpr unsigned kFirst = STDERR_FILENO + 1;
  const auto keep = static_cast<unsigned>(kept);
  if (keep > kFirst) ::close_range(kFirst, keep - 1, 0);
  ::close_range(keep + 1, ~0U, 0);
}

namespace {

struct NodeStart {
  pid_t pid = 0;
  Fd report;
};

Result<NodeStart> start_node(int node, const std::string& program) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("pipe");
  Fd from_node(ends[0]);
  Fd to_init(ends[1]);
  GRIT_TRY(const pid_t pid, fork_into_new_pid_namespace());
  if (pid == 0) {
    close_other_descriptors(to_init.get());
    // The destructors below would close numbers that are no longer ours; this process never gets there.
    static_cast<void>(from_node.release());
    run_node_init(node, program, std::move(to_init));
  }
  return NodeStart{pid, std::move(from_node)};
}

// For `grit enter-node`: the pid of the init of each management address.
Status publish_node(int node, pid_t pid) {
  const auto file = std::filesystem::path(layout::kNodeDirectory) / layout::management_address(node);
  const Fd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444));
  if (!fd) return errno_error("cannot make " + file.string());
  return write_all(fd.get(), std::to_string(pid));
}

Result<std::vector<pid_t>> start_nodes(int count, const std::string& program) {
  if (::mkdir(layout::kNodeDirectory, 0755) != 0)
    return errno_error(fmt::format("cannot make {}", layout::kNodeDirectory));
  std::vector<NodeStart> nodes;
  for (int node = 0; node < count; ++node) {
    GRIT_TRY(auto started, start_node(node, program));
    nodes.push_back(std::move(started));
  }
  std::vector<pid_t> inits;
  for (int node = 0; node < count; ++node) {
    const auto& started = nodes[static_cast<std::size_t>(node)];
    auto connected = await_node_init(started.report);
    if (connected) connected = connect_node(node, started.pid);
    if (connected) connected = publish_node(node, started.pid);
    if (!connected) return with_context(std::move(connected).error(), layout::node_name(node));
    inits.push_back(started.pid);
  }
  return inits;
}

Status become_switch(const std::string& program) {
  GRIT_CHECK(unshare_namespaces(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC));
  GRIT_CHECK(check_root_survives_entering());
  GRIT_CHECK(make_mounts_private());
  GRIT_CHECK(mount_private_view(program));
  GRIT_CHECK(set_hostname("grit-switch"));
  return build_switch();
}

Status run_cluster(const LocalClusterOptions& options, const std::string& program, int control_socket) {
  sigset_t handled;
  sigemptyset(&handled);
  for (const int number : {SIGCHLD, SIGTERM, SIGINT}) sigaddset(&handled, number);
  sigprocmask(SIG_SETMASK, &handled, nullptr);
  const Fd signals(::signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals) return errno_error("signalfd");
  GRIT_CHECK(become_switch(program));
  GRIT_TRY(const auto inits, start_nodes(options.nodes, program));
  GRIT_TRY(const JobEnd end, run_job(options, inits, control_socket, signals.get()));
  control::send(control_socket, control::end_message(end.status, end.interrupted));
  return {};
}

}  // namespace

void run_cluster_init(const LocalClusterOptions& options, const std::string& program, Fd control) {
  // Whatever ends the supervisor ends this process; were it dead already, the control socket is at its end of file.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  close_other_descriptors(control.get());
  try {
    if (const auto ran = run_cluster(options, program, control.get()); !ran)
      control::send(control.get(), control::error_message(ran.error()));
  } catch (const std::exception& error) {
    control::send(control.get(), control::error_message({ErrorKind::internal, error.what()}));
  }
  ::_exit(0);
}

}  // namespace grit
