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

#include "harness/base/clock.hpp"
#include "harness/base/fd.hpp"
#include "harness/base/files.hpp"
#include "harness/base/units.hpp"
#include "harness/cluster/cluster_init.hpp"
#include "harness/cluster/launch.hpp"
#include "harness/cluster/launcher.hpp"
#include "harness/cluster/layout.hpp"
#include "harness/os/proc_stat.hpp"

namespace grit {
namespace {

constexpr std::int64_t kDrainLimit_ns = 15 * kNsPerS;  // agents finish writing
constexpr std::int64_t kStopLimit_ns = 20 * kNsPerS;   // mpirun, or who is on the switch, ends its job after SIGTERM
constexpr int kDrainPoll_ms = 20;
constexpr int kLaunchPoll_ms = 200;
constexpr std::int64_t kFirstWord_ns = 3 * kNsPerS, kNextWord_ns = 10 * kNsPerS;  // while a launch hangs

std::filesystem::path mpirun_log(const LocalClusterOptions& options) { return options.run_directory / "mpirun.log"; }

Result<Fd> open_log(const LocalClusterOptions& options) {
  const auto file = mpirun_log(options);
  Fd log(::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!log) {
    const int reason = errno;
    return unavailable_error(fmt::format("cannot write {}: {}. Choose a run directory that you may write to",
                                         file.string(), std::strerror(reason)));
  }
  return log;
}

std::vector<std::string> mpirun_words(const LocalClusterOptions& options) {
  std::vector<std::string> addresses;
  for (int node = 0; node < options.nodes; ++node) addresses.push_back(layout::management_address(node));
  std::vector<std::string> command{layout::kProgram, "enter-node", "-"};
  command.insert(command.end(), options.command.begin(), options.command.end());
  return mpirun_arguments(addresses, options.ranks_per_node, command);
}

/// `output`: a descriptor for its standard output and error; -1: this process's own.
Result<pid_t> start_program(const std::vector<std::string>& arguments, const LocalClusterOptions& options, int output) {
  const auto environment = job_environment(own_environment(), options.environment);
  auto argument_pointers = exec_pointers(arguments);
  auto environment_pointers = exec_pointers(environment);
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
  if (output >= 0) {
    ::dup2(output, STDOUT_FILENO);
    ::dup2(output, STDERR_FILENO);
  }
  ::execvpe(argument_pointers[0], argument_pointers.data(), environment_pointers.data());
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
    const auto stat = read_proc_stat(pid);
    if (stat && stat->state != 'Z') found.push_back(fmt::format("{} ({})", pid, stat->name));
  }
  return found;
}

// Nodes on which mpirun has not got a rank going.
std::vector<std::string> silent_nodes(const std::vector<pid_t>& node_inits) {
  std::vector<std::string> silent;
  for (std::size_t node = 0; node < node_inits.size(); ++node) {
    const auto mark = fmt::format("/proc/{}/root{}", node_inits[node], layout::kRankStarted);
    if (::access(mark.c_str(), F_OK) != 0) silent.push_back(layout::node_name(static_cast<int>(node)));
  }
  return silent;
}

Failure did_not_come_up(const LocalClusterOptions& options, const std::vector<std::string>& silent,
                        const std::string& when) {
  return unavailable_error(fmt::format("mpirun has not started the rank of {} {}. {}", fmt::join(silent, ", "), when,
                                       words_of_mpirun(mpirun_log(options))));
}

class Job {
 public:
  Job(pid_t program, const std::vector<pid_t>& node_inits, int control, int signals)
      : program_(program), node_inits_(node_inits), control_(control), signals_(signals) {}

  /// Until mpirun has ended, and for as long as its agents need to finish writing.
  JobEnd run_mpirun(std::int64_t launch_limit_ns) {
    launch_deadline_ns_ = monotonic_ns() + launch_limit_ns;
    while (!ended_) {
      wait_for_news(running_timeout_ms());
      watch_launch();
    }
    if (!came_up_) silent_ = silent_nodes(node_inits_);
    const auto limit = monotonic_ns() + kDrainLimit_ns;
    while (monotonic_ns() < limit && !processes_at_work(node_inits_).empty()) wait_for_news(kDrainPoll_ms);
    return end_;
  }
  /// Until it has ended: what it has left in the nodes ends with the cluster.
  JobEnd run_on_switch() {
    came_up_ = true;
    while (!ended_) wait_for_news(running_timeout_ms());
    return end_;
  }
  [[nodiscard]] bool timed_out() const { return timed_out_; }
  /// Nodes on which mpirun had not got a rank going when it ended. A node that came up and died since is none of them.
  [[nodiscard]] const std::vector<std::string>& silent() const { return silent_; }

 private:
  [[nodiscard]] int running_timeout_ms() const {
    if (stop_limit_ns_ == 0) return came_up_ ? -1 : kLaunchPoll_ms;
    return static_cast<int>(std::max<std::int64_t>(0, (stop_limit_ns_ - monotonic_ns()) / kNsPerMs) + 1);
  }

  /// A launch that hangs says nothing by itself.
  void watch_launch() {
    if (came_up_ || ended_ || stop_limit_ns_ != 0) return;
    const auto silent = silent_nodes(node_inits_);
    came_up_ = silent.empty();
    if (came_up_) return;
    say_what_is_waited_for(silent);
    if (monotonic_ns() < launch_deadline_ns_) return;
    timed_out_ = true;
    end_program();
  }

  void say_what_is_waited_for(const std::vector<std::string>& silent) {
    if (monotonic_ns() < next_word_ns_) return;
    fmt::print(stderr, "grit: waiting for mpirun to start the rank of {}\n", fmt::join(silent, ", "));
    next_word_ns_ += kNextWord_ns;
  }

  void end_program() {
    stop_limit_ns_ = monotonic_ns() + kStopLimit_ns;
    ::kill(program_, SIGTERM);
  }

  void wait_for_news(int timeout_ms) {
    pollfd sources[] = {{control_, POLLIN, 0}, {signals_, POLLIN, 0}};
    ::poll(sources, std::size(sources), timeout_ms);
    if (sources[0].revents != 0) read_control();
    if (sources[1].revents != 0) read_signals();
    reap();
    if (!ended_ && stop_limit_ns_ != 0 && monotonic_ns() >= stop_limit_ns_) ::kill(program_, SIGKILL);
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

  /// What has ended by itself cannot be interrupted, though its agents may still be at work.
  void stop() {
    if (ended_) return;
    end_.interrupted = true;
    if (stop_limit_ns_ == 0) end_program();
  }

  void reap() {
    int status = 0;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;)
      if (pid == program_) ended_ = true, end_.status = status;
  }

  pid_t program_;         // mpirun, or the command on the switch
  bool came_up_ = false;  // mpirun has got a rank going on every node
  bool timed_out_ = false;
  std::vector<std::string> silent_{};
  const std::vector<pid_t>& node_inits_;
  int control_;
  int signals_;
  std::int64_t launch_deadline_ns_ = 0;
  std::int64_t next_word_ns_ = monotonic_ns() + kFirstWord_ns;
  bool ended_ = false;
  std::int64_t stop_limit_ns_ = 0;  // by when it must have ended; 0: it goes on
  JobEnd end_{};
};

}  // namespace

std::string words_of_mpirun(const std::filesystem::path& log) {
  constexpr std::size_t kMost_bytes = 2000;
  const std::string text = read_file(log).value_or("");
  if (text.empty()) return "mpirun itself said nothing";
  if (text.size() <= kMost_bytes) return "mpirun's own words:\n" + text;
  return "mpirun's last words:\n..." + text.substr(text.size() - kMost_bytes);
}

Result<JobEnd> run_job(const LocalClusterOptions& options, const std::vector<pid_t>& node_inits, int control,
                       int signals) {
  if (!options.on_switch.empty()) {
    GRIT_TRY(const pid_t program, start_program(options.on_switch, options, -1));
    return Job(program, node_inits, control, signals).run_on_switch();
  }
  GRIT_TRY(const Fd log, open_log(options));
  GRIT_TRY(const std::int64_t limit_ns, launch_timeout_ns());
  GRIT_TRY(const pid_t mpirun, start_program(mpirun_words(options), options, log.get()));
  Job job(mpirun, node_inits, control, signals);
  const JobEnd end = job.run_mpirun(limit_ns);
  if (const auto silent = job.silent(); !silent.empty() && !end.interrupted)
    return did_not_come_up(options, silent,
                           job.timed_out() ? fmt::format("within {}", format_quantity(limit_ns, Unit::time_ns))
                                           : std::string("before it ended"));
  if (const auto left = processes_at_work(node_inits); !left.empty())
    GRIT_CHECK(write_all(log.get(), fmt::format("grit: still at work {} s after mpirun's end, killed now: {}\n",
                                                kDrainLimit_ns / kNsPerS, fmt::join(left, ", "))));
  return end;
}

}  // namespace grit
