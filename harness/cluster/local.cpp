#include "harness/cluster/local.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "harness/base/fd.hpp"
#include "harness/cluster/cluster_init.hpp"
#include "harness/cluster/launch.hpp"
#include "harness/cluster/layout.hpp"
#include "harness/os/namespaces.hpp"
#include "harness/record/segment.hpp"

namespace grit {
namespace {

// Blocks the signals that end a run, to be read from a descriptor instead, and gives them back when it goes.
class EndSignals {
 public:
  EndSignals() {
    sigemptyset(&handled_);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&handled_, number);
    sigprocmask(SIG_BLOCK, &handled_, &before_);
    fd_.reset(::signalfd(-1, &handled_, SFD_CLOEXEC | SFD_NONBLOCK));
  }
  EndSignals(const EndSignals&) = delete;
  EndSignals& operator=(const EndSignals&) = delete;
  ~EndSignals() { sigprocmask(SIG_SETMASK, &before_, nullptr); }

  [[nodiscard]] int descriptor() const { return fd_.get(); }

  int count_pending() const {
    int count = 0;
    signalfd_siginfo info{};
    while (::read(fd_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) ++count;
    return count;
  }

 private:
  sigset_t handled_{};
  sigset_t before_{};
  Fd fd_;
};

bool under(const std::filesystem::path& path, const std::filesystem::path& directory) {
  const auto relative = path.lexically_normal().lexically_relative(directory);
  return !relative.empty() && *relative.begin() != "..";
}

Status check_options(const LocalClusterOptions& options) {
  GRIT_CHECK(check_local_size(options.nodes, options.ranks_per_node));
  if (options.command.empty() == options.on_switch.empty())
    return usage_error(
        "the local cluster was given no command to run, or two: one for its nodes or one for its switch");
  std::error_code failed;
  const auto directory = std::filesystem::canonical(options.run_directory, failed);
  if (failed || !options.run_directory.is_absolute() || !std::filesystem::is_directory(directory))
    return usage_error(fmt::format("the run directory \"{}\" must be the absolute path of a directory that exists",
                                   options.run_directory.string()));
  if (under(directory, layout::kPrivateDirectory))
    return usage_error(
        fmt::format("the run directory {} is in {}, of which every node of the local cluster has its own: "
                    "choose another place with --out",
                    directory.string(), layout::kPrivateDirectory));
  return {};
}

// Root has what it takes, unless it is that of a container without CAP_SYS_ADMIN; everybody else needs a user
// namespace. Tried in a child, because only doing it tells.
bool needs_user_namespace() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(::unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET) == 0 ? 0 : 1);
  int status = 0;
  while (child > 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return child < 0 || status != 0;
}

Status supervise(const LocalClusterOptions& options, const std::string& program, Fd& control) {
  if (needs_user_namespace()) GRIT_CHECK(enter_new_user_namespace());
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // again: a change of credentials takes it off
  // It forks no more, so it need not go back to its own pid namespace, for which an ordinary user lacks the right.
  GRIT_CHECK(unshare_namespaces(CLONE_NEWPID));
  const pid_t init = ::fork();
  if (init < 0) return errno_error("fork");
  if (init == 0) run_cluster_init(options, program, std::move(control));
  control.reset();  // the end of file must mean that the init is gone
  int status = 0;
  while (::waitpid(init, &status, 0) < 0 && errno == EINTR) {
  }
  return {};
}

// Between grit and the cluster's init: gone with grit, and the init with it. In a session of its own, so that Ctrl-C at
// the terminal reaches grit only.
[[noreturn]] void run_supervisor(const LocalClusterOptions& options, const std::string& program, pid_t grit,
                                 Fd control) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != grit) ::_exit(1);
  ::setsid();
  try {
    if (const auto supervised = supervise(options, program, control); !supervised && control)
      control::send(control.get(), control::error_message(supervised.error()));
  } catch (const std::exception& error) {
    if (control) control::send(control.get(), control::error_message({ErrorKind::internal, error.what()}));
  }
  ::_exit(0);
}

Result<LocalClusterEnd> read_report(const std::string& text, const LocalClusterOptions& options) {
  GRIT_TRY(const Json report, parse_json(text));
  if (report.contains("error"))
    return Failure(Error{static_cast<ErrorKind>(report["error"].value("kind", static_cast<int>(ErrorKind::internal))),
                         "local cluster: " + report["error"].value("message", std::string())});
  return LocalClusterEnd{report.value("job_status", 0), report.value("interrupted", false),
                         (options.run_directory / "mpirun.log").string()};
}

// Waits for the init's report; empty when there is none. Passes the first end signal on, and kills at the second.
std::string await_report(int control, const EndSignals& signals, pid_t supervisor, int& interruptions) {
  std::array<char, 65536> message{};
  for (;;) {
    pollfd sources[] = {{control, POLLIN, 0}, {signals.descriptor(), POLLIN, 0}};
    if (::poll(sources, std::size(sources), -1) < 0) continue;
    if (sources[1].revents != 0) {
      const int before = interruptions;
      interruptions += signals.count_pending();
      if (before == 0) static_cast<void>(::send(control, &control::kStop, 1, MSG_NOSIGNAL));
      if (interruptions > 1) ::kill(supervisor, SIGKILL);
    }
    if (sources[0].revents == 0) continue;
    const ssize_t got = ::recv(control, message.data(), message.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    return got > 0 ? std::string(message.data(), static_cast<std::size_t>(got)) : std::string();
  }
}

}  // namespace

Status check_local_size(int nodes, int ranks_per_node) {
  if (nodes < kMinLocalNodes || nodes > kMaxLocalNodes)
    return usage_error(fmt::format("a local cluster has {} to {} nodes, not {}: choose another number with -n",
                                   kMinLocalNodes, kMaxLocalNodes, nodes));
  const int most = std::min(kMaxLocalRanks, kMaxClusterRanks / nodes);
  if (ranks_per_node < 1 || ranks_per_node > most)
    return usage_error(
        fmt::format("a local cluster of {} nodes has 1 to {} ranks a node, not {}: choose another number "
                    "with --ranks-per-node, or fewer nodes with -n",
                    nodes, most, ranks_per_node));
  return {};
}

Result<LocalClusterEnd> run_local_cluster(const LocalClusterOptions& options) {
  GRIT_CHECK(check_options(options));
  GRIT_CHECK(check_mpirun());
  std::error_code failed;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", failed).string();
  if (failed) return internal_error("cannot read /proc/self/exe: " + failed.message());
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return errno_error("socketpair");
  Fd control(ends[0]);
  Fd init_end(ends[1]);
  const EndSignals signals;
  const pid_t grit = ::getpid();
  const pid_t supervisor = ::fork();
  if (supervisor < 0) return errno_error("fork");
  if (supervisor == 0) {
    control.reset();
    run_supervisor(options, program, grit, std::move(init_end));
  }
  init_end.reset();
  int interruptions = 0;
  const auto report = await_report(control.get(), signals, supervisor, interruptions);
  while (::waitpid(supervisor, nullptr, 0) < 0 && errno == EINTR) {
  }
  if (!report.empty()) return read_report(report, options);
  if (interruptions > 0) return LocalClusterEnd{SIGKILL, true, (options.run_directory / "mpirun.log").string()};
  return internal_error("the local cluster's init process was killed (out of memory?); see the kernel's log");
}

}  // namespace grit
