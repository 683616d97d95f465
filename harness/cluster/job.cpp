#include "harness/cluster/job.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>

#include "harness/base/clock.hpp"
#include "harness/base/fd.hpp"
#include "harness/base/files.hpp"
#include "harness/cluster/cluster_init.hpp"
#include "harness/cluster/launch.hpp"

namespace grit {
namespace {

constexpr std::int64_t kDrainLimit_ns = 15 * kNsPerS;  // agents finish writing
constexpr std::int64_t kStopLimit_ns = 20 * kNsPerS;   // mpirun ends its job after SIGTERM
constexpr int kDrainPoll_ms = 20;

std::vector<char*> c_strings(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (const auto& text : strings) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> own_environment() {
  std::vector<std::string> variables;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable)
    variables.emplace_back(*variable);
  return variables;
}

Result<Fd> open_log(const LocalClusterOptions& options) {
  const auto file = options.run_directory / "mpirun.log";
  Fd log(::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!log) {
    const int reason = errno;
    return unavailable_error(fmt::format("cannot write {}: {}. Choose a run directory that you may write to",
                                         file.string(), std::strerror(reason)));
  }
  return log;
}

Result<pid_t> start_mpirun(const LocalClusterOptions& options, const Fd& log) {
  const auto arguments = mpirun_arguments(options);
  const auto environment = job_environment(own_environment(), options);
  auto argument_pointers = c_strings(arguments);
  auto environment_pointers = c_strings(environment);
  const Fd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const pid_t child = ::fork();
  if (child < 0) return errno_error("fork");
  if (child > 0) return child;
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD}) ::signal(number, SIG_DFL);
  ::setpgid(0, 0);
  ::dup2(nothing.get(), STDIN_FILENO);
  ::dup2(log.get(), STDOUT_FILENO);
  ::dup2(log.get(), STDERR_FILENO);
  ::execvpe("mpirun", argument_pointers.data(), environment_pointers.data());
  ::_exit(127);
}

// Processes of the cluster other than its inits, zombies aside: "1234 (name)". /proc here is that of the cluster's pid
// namespace, in which all those of the nodes are seen too.
std::vector<std::string> processes_at_work(const std::vector<pid_t>& node_inits) {
  std::vector<std::string> found;
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(::opendir("/proc"), &::closedir);
  if (!proc) return found;
  while (const dirent* entry = ::readdir(proc.get())) {
    const std::string_view name = entry->d_name;
    pid_t pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc{}) continue;
    if (pid == 1 || std::find(node_inits.begin(), node_inits.end(), pid) != node_inits.end()) continue;
    const auto stat = read_file(fmt::format("/proc/{}/stat", pid));  // "PID (NAME) STATE ...", proc(5)
    if (!stat) continue;                                             // ended meanwhile
    const auto name_end = stat->rfind(')');
    if (name_end == std::string::npos || name_end + 2 >= stat->size() || (*stat)[name_end + 2] == 'Z') continue;
    found.push_back(stat->substr(0, name_end + 1));
  }
  return found;
}

class Job {
 public:
  Job(pid_t mpirun, const std::vector<pid_t>& node_inits, int control, int signals)
      : mpirun_(mpirun), node_inits_(node_inits), control_(control), signals_(signals) {}

  JobEnd run() {
    while (!ended_) wait_for_news(running_timeout_ms());
    const auto limit = monotonic_ns() + kDrainLimit_ns;
    while (monotonic_ns() < limit && !processes_at_work(node_inits_).empty()) wait_for_news(kDrainPoll_ms);
    return end_;
  }

 private:
  [[nodiscard]] int running_timeout_ms() const {
    if (!stop_limit_ns_) return -1;
    return static_cast<int>(std::max<std::int64_t>(0, (*stop_limit_ns_ - monotonic_ns()) / kNsPerMs) + 1);
  }

  void wait_for_news(int timeout_ms) {
    pollfd sources[] = {{control_, POLLIN, 0}, {signals_, POLLIN, 0}};
    ::poll(sources, std::size(sources), timeout_ms);
    if (sources[0].revents != 0) read_control();
    if (sources[1].revents != 0) read_signals();
    reap();
    if (!ended_ && stop_limit_ns_ && monotonic_ns() >= *stop_limit_ns_) ::kill(mpirun_, SIGKILL);
  }

  void read_control() {
    char command = 0;
    const ssize_t got = ::recv(control_, &command, sizeof command, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) ::_exit(1);  // grit is gone
    if (got == 1 && command == control::kStop) stop();
  }

  void read_signals() {
    signalfd_siginfo info{};
    while (::read(signals_, &info, sizeof info) == static_cast<ssize_t>(sizeof info))
      if (info.ssi_signo != SIGCHLD) stop();
  }

  void stop() {
    end_.interrupted = true;
    if (ended_ || stop_limit_ns_) return;
    stop_limit_ns_ = monotonic_ns() + kStopLimit_ns;
    ::kill(mpirun_, SIGTERM);
  }

  void reap() {
    int status = 0;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;)
      if (pid == mpirun_) ended_ = true, end_.status = status;
  }

  pid_t mpirun_;
  const std::vector<pid_t>& node_inits_;
  int control_;
  int signals_;
  bool ended_ = false;
  std::optional<std::int64_t> stop_limit_ns_{};
  JobEnd end_{};
};

}  // namespace

Result<JobEnd> run_job(const LocalClusterOptions& options, const std::vector<pid_t>& node_inits, int control,
                       int signals) {
  GRIT_TRY(const Fd log, open_log(options));
  GRIT_TRY(const pid_t mpirun, start_mpirun(options, log));
  const JobEnd end = Job(mpirun, node_inits, control, signals).run();
  if (const auto left = processes_at_work(node_inits); !left.empty())
    GRIT_CHECK(write_all(log.get(), fmt::format("grit: still at work {} s after mpirun's end, killed now: {}\n",
                                                kDrainLimit_ns / kNsPerS, fmt::join(left, ", "))));
  return end;
}

}  // namespace grit
