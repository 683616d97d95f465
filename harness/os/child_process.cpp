#include "harness/os/child_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <set>
#include <sstream>

#include "harness/base/clock.hpp"
#include "harness/base/fd.hpp"
#include "harness/base/files.hpp"
#include "harness/os/process.hpp"
#include "harness/os/process_session.hpp"
#include "harness/os/process_usage.hpp"

namespace grit {
namespace {

constexpr std::size_t kKeptOutput_bytes = 8192;  // as much as Nagios keeps (MAX_PLUGIN_OUTPUT_LENGTH)
constexpr std::size_t kKeptErrors_bytes = 1024;
constexpr std::size_t kFlood_bytes = std::size_t{1} << 20;
constexpr std::size_t kRead_bytes = std::size_t{64} << 10;
constexpr std::int64_t kFarewell_ns = kNsPerS / 2;  // from SIGTERM to SIGKILL
constexpr std::int64_t kDying_ns = 150 * kNsPerMs;  // after SIGKILL
/// For those that it started, after that.
constexpr std::int64_t kLeftovers_ns = 100 * kNsPerMs;
/// For one that was killed and has not been given a CPU since: its machine is busy, or its control group's share is
/// used up for this period, which is 1 s at most (cpu.max in cgroup-v2.rst).
constexpr std::int64_t kWaitsForCpu_ns = 2 * kNsPerS;
/// For a session whose parent is gone, should it start processes as fast as they are killed.
constexpr std::int64_t kOrphans_ns = 10 * kNsPerS;
/// For the output of one that has ended and whose children hold it.
constexpr std::int64_t kLastWords_ns = 100 * kNsPerMs;

struct Pipe {
  Fd reader{}, writer{};

  static Result<Pipe> make(int flags) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | flags) != 0) return errno_error("cannot make a pipe for a program");
    return Pipe{Fd(ends[0]), Fd(ends[1])};
  }
};

/// Pointers for execve(2), made before the fork.
std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> made;
  for (const std::string& text : texts) made.push_back(const_cast<char*>(text.c_str()));
  made.push_back(nullptr);
  return made;
}

/// The OOM killer's choice before grit and its ranks.
void offer_to_oom_killer() {
  const Fd score(::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  if (score && ::write(score.get(), "500", 3) < 0) return;  // it runs all the same
}

void reset_signals() {
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);  // an ignored one stays so over execve(2)
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

void limit_itself() {
  rlimit cores{0, 0};
  ::setrlimit(RLIMIT_CORE, &cores);
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur > 1024) {
    files.rlim_cur = 1024;  // select(2) takes no more
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
  ::umask(022);
}

/// Between fork and exec: system calls only. Says through `failed` which error there was.
[[noreturn]] void become(pid_t parent, char* const* argv, char* const* environment, const char* directory, int output,
                         int errors, int failed) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);
  ::setsid();
  offer_to_oom_killer();
  limit_itself();
  reset_signals();
  const int input = ::open("/dev/null", O_RDONLY);
  if (input >= 0 && ::chdir(directory) == 0 && ::dup2(input, STDIN_FILENO) >= 0 && ::dup2(output, STDOUT_FILENO) >= 0 &&
      ::dup2(errors, STDERR_FILENO) >= 0) {
    ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    ::execve(argv[0], argv, environment);
  }
  const int error = errno;
  if (::write(failed, &error, sizeof error) < 0) ::_exit(126);
  ::_exit(127);
}

/// What comes through one of its pipes.
struct Stream {
  Fd fd{};
  std::size_t most_bytes = 0;
  std::string kept{};
  bool ended = false;

  /// Reads what is there now, some of it; returns how many bytes.
  std::size_t read_some(std::vector<char>& buffer) {
    const auto n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n < 0) return ended = errno != EINTR && errno != EAGAIN, 0;
    ended = n == 0;
    kept.append(buffer.data(), std::min(most_bytes - kept.size(), static_cast<std::size_t>(n)));
    return static_cast<std::size_t>(n);
  }
};

/// Children of this process, of whatever thread.
std::vector<pid_t> children() {
  std::vector<pid_t> found;
  std::error_code ignored;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task", ignored)) {
    const auto text = read_file(thread.path() / "children");
    if (!text) continue;
    std::istringstream words(*text);
    for (pid_t pid = 0; words >> pid;) found.push_back(pid);
  }
  return found;
}

/// Children of this process that live; those that have ended are reaped.
bool has_children() {
  for (;;) {
    const pid_t reaped = ::waitpid(-1, nullptr, WNOHANG);
    if (reaped == 0) return true;
    if (reaped < 0 && errno != EINTR) return false;
  }
}

/// Of one that was killed: does it only wait for a CPU, on which to die? In state D it waits in the kernel for
/// something else, which may never come.
bool waits_for_cpu(pid_t pid) {
  const auto identity = identify_process(pid);
  if (!identity) return false;
  const auto state = process_state(*identity);
  return state && *state && (*state)->state != 'D';
}

/// Kills all children of this process, until there is none. One that dies hands its own children on to this process, so
/// it looks again. Returns one that still lives at the deadline, later where it only waits for a CPU; -1: none.
pid_t kill_children(std::int64_t deadline_ns) {
  while (has_children()) {
    const std::vector<pid_t> living = children();
    for (const pid_t pid : living) ::kill(pid, SIGKILL);
    const std::int64_t late_ns = monotonic_ns() - deadline_ns;
    const auto stuck =
        late_ns > kWaitsForCpu_ns ? living.begin() : std::find_if_not(living.begin(), living.end(), waits_for_cpu);
    if (late_ns > 0 && stuck != living.end()) return *stuck;
    ::usleep(1000);
  }
  return -1;
}

}  // namespace

/// A process that kills the program's session when this process is gone: of what the program starts only its first
/// process has a death signal.
class Sentinel {
 public:
  explicit Sentinel(pid_t session) {
    auto life = Pipe::make(0);
    if (!life) return;  // it is watched by nobody, and runs all the same
    pid_ = ::fork();
    if (pid_ == 0) watch(session, life->reader.get());
    life_ = std::move(life->writer);
  }
  Sentinel(const Sentinel&) = delete;
  Sentinel& operator=(const Sentinel&) = delete;
  ~Sentinel() { end(); }

  [[nodiscard]] pid_t pid() const { return pid_; }

  void end() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
  }

 private:
  /// Of the descriptors it has only the one at whose other end this process is.
  [[noreturn]] static void watch(pid_t session, int life) {
    ::setsid();
    reset_signals();
    if (::dup2(life, STDIN_FILENO) < 0) ::_exit(1);
    ::close_range(STDIN_FILENO + 1, ~0U, 0);
    char none = 0;
    while (::read(STDIN_FILENO, &none, 1) < 0 && errno == EINTR) {
    }
    kill_session(session, monotonic_ns() + kOrphans_ns);
    ::_exit(0);
  }

  Fd life_{};
  pid_t pid_ = -1;
};

namespace {

class Child {
 public:
  Child(pid_t pid, Fd output, Fd errors, int stop_fd)
      : pid_(pid),
        stop_fd_(stop_fd),
        sentinel_(pid),
        itself_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))),
        output_{std::move(output), kKeptOutput_bytes},
        errors_{std::move(errors), kKeptErrors_bytes} {}

  /// It is reaped last: until then its number, which is also its session's, is no other process's.
  ChildResult follow(std::int64_t deadline_ns) {
    listen(deadline_ns);
    if (ended_) {
      // All that was said, should this process not have come to read it.
      drain(output_);
      drain(errors_);
      const bool has_more_to_say = !output_.ended || !errors_.ended;
      result_.left_processes = has_others() || (has_more_to_say && read_bytes_ <= kFlood_bytes);
    } else if (is_stopped_) {
      result_.end = ChildEnd::stopped;
    } else {
      result_.end = ChildEnd::timed_out;
      std::set<pid_t> reached;
      signal_session(pid_, SIGTERM, reached);
      await_end(monotonic_ns() + kFarewell_ns, true);
    }
    const std::int64_t killed_ns = monotonic_ns();
    if (!ended_ || has_others()) kill_session(pid_, killed_ns + kDying_ns);
    await_end(killed_ns + kDying_ns, false);
    if (!ended_ && waits_for_cpu(pid_)) await_end(killed_ns + kDying_ns + kWaitsForCpu_ns, false);
    sentinel_.end();
    reap();
    if (read_bytes_ > kFlood_bytes) result_.end = ChildEnd::flooded;
    tell_stuck(kill_children(killed_ns + kDying_ns + kLeftovers_ns));
    result_.output = std::move(output_.kept);
    result_.errors = std::move(errors_.kept);
    return std::move(result_);
  }

 private:
  /// Until it has ended and said everything, floods, is to stop, or the time is up.
  void listen(std::int64_t deadline_ns) {
    std::vector<char> buffer(kRead_bytes);
    while (!(ended_ && output_.ended && errors_.ended) && read_bytes_ <= kFlood_bytes) {
      const std::int64_t left_ns = deadline_ns - monotonic_ns();
      if (left_ns <= 0) return;
      std::array<pollfd, 4> sources{{{ended_ ? -1 : itself_.get(), POLLIN, 0},
                                     {output_.ended ? -1 : output_.fd.get(), POLLIN, 0},
                                     {errors_.ended ? -1 : errors_.fd.get(), POLLIN, 0},
                                     {stop_fd_, POLLIN, 0}}};
      if (::poll(sources.data(), sources.size(), wait_ms(left_ns)) < 0) continue;
      if (is_stopped_ = sources[3].revents != 0; is_stopped_) return;
      if (sources[1].revents != 0) read_bytes_ += output_.read_some(buffer);
      if (sources[2].revents != 0) read_bytes_ += errors_.read_some(buffer);
      if (!ended_ && see_end()) deadline_ns = std::min(deadline_ns, monotonic_ns() + kLastWords_ns);
    }
  }

  /// What is there now.
  void drain(Stream& stream) {
    std::vector<char> buffer(kRead_bytes);
    while (!stream.ended && read_bytes_ <= kFlood_bytes) {
      const std::size_t some_bytes = stream.read_some(buffer);
      if (some_bytes == 0) return;
      read_bytes_ += some_bytes;
    }
  }

  /// Without a pidfd (Linux before 5.3) it looks a hundred times a second.
  [[nodiscard]] int wait_ms(std::int64_t left_ns) const {
    return static_cast<int>(std::min<std::int64_t>(left_ns / kNsPerMs + 1, itself_ ? 1000 : 10));
  }

  /// `of_all`: also of what it started.
  void await_end(std::int64_t deadline_ns, bool of_all) {
    while (!see_end() || (of_all && has_others())) {
      const std::int64_t left_ns = deadline_ns - monotonic_ns();
      if (left_ns <= 0) return;
      pollfd source{itself_.get(), POLLIN, 0};
      if (ended_)
        ::usleep(1000);
      else
        ::poll(&source, 1, wait_ms(left_ns));
    }
  }

  /// Has it ended by now? It stays a zombie.
  bool see_end() {
    siginfo_t info{};
    if (ended_ || ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0) return ended_;
    return ended_ = info.si_pid == pid_;
  }

  /// Does something live that it has left? Only children can: what it started and its parent has left becomes one.
  [[nodiscard]] bool has_others() const {
    for (bool reaped = true; reaped;) {
      reaped = false;
      bool any = false;
      for (const pid_t pid : children()) {
        if (pid == pid_ || pid == sentinel_.pid()) continue;
        const pid_t ended = ::waitpid(pid, nullptr, WNOHANG);
        reaped = reaped || ended == pid;  // and its own children may have become ours
        any = any || ended == 0;
      }
      if (any) return true;
    }
    return false;
  }

  void reap() {
    int status = 0;
    rusage usage{};
    if (!ended_ || ::wait4(pid_, &status, 0, &usage) != pid_) return;
    result_.cpu_ns = process_usage(usage).cpu_ns;
    if (result_.end != ChildEnd::exited) return;  // it was killed
    if (WIFSIGNALED(status)) result_.end = ChildEnd::signalled;
    result_.status = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
  }

  /// `left`: a child that was killed and lives; -1: none.
  void tell_stuck(pid_t left) {
    if (!ended_ && ::waitpid(pid_, nullptr, WNOHANG) == 0) left = pid_;
    if (left < 0) return;
    result_.end = ChildEnd::stuck;
    result_.stuck_pid = left;
    result_.left_processes = false;
  }

  pid_t pid_;
  int stop_fd_;
  Sentinel sentinel_;
  Fd itself_;
  Stream output_, errors_;
  std::size_t read_bytes_ = 0;
  bool ended_ = false;
  bool is_stopped_ = false;
  ChildResult result_{};
};

/// The error with which it could not become the program; 0: it did.
int error_of_start(int fd) {
  int error = 0;
  ssize_t n = 0;
  while ((n = ::read(fd, &error, sizeof error)) < 0 && errno == EINTR) {
  }
  return n == static_cast<ssize_t>(sizeof error) ? error : 0;
}

struct Forked {
  pid_t pid = -1;
  Fd failed{};  // says why it could not become the program
};

/// The descriptors become its standard output and error.
Result<Forked> fork_child(const ChildCommand& command, int output, int errors) {
  GRIT_ASSERT(!command.argv.empty());
  GRIT_TRY(Pipe failed, Pipe::make(0));
  const std::vector<char*> argv = pointers(command.argv), environment = pointers(command.environment);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return errno_error("cannot start a program");
  if (pid == 0)
    become(parent, argv.data(), environment.data(), command.directory.c_str(), output, errors, failed.writer.get());
  return Forked{pid, std::move(failed.reader)};
}

/// Has it become the program, or failed to, before the time is up or it is to stop? A directory or a program may lie on
/// a file server that does not answer.
bool is_decided(const Forked& child, int stop_fd, std::int64_t deadline_ns) {
  for (;;) {
    const std::int64_t left_ns = std::max<std::int64_t>(deadline_ns - monotonic_ns(), 0);
    std::array<pollfd, 2> sources{{{child.failed.get(), POLLIN, 0}, {stop_fd, POLLIN, 0}}};
    const int ready =
        ::poll(sources.data(), sources.size(), static_cast<int>(std::min(left_ns, kNsPerS) / kNsPerMs) + 1);
    if (ready > 0) return sources[0].revents != 0;
    if (ready == 0 && left_ns == 0) return false;
  }
}

/// Waits until it has become the program, or could not.
Status await_start(const Forked& child, const ChildCommand& command) {
  const int error = error_of_start(child.failed.get());
  if (error == 0) return {};
  ::waitpid(child.pid, nullptr, 0);
  const std::string in = command.directory == "/" ? "" : " in " + command.directory;
  return errno_error(fmt::format("{} cannot be run{}", command.argv.front(), in), error);
}

}  // namespace

bool is_one_line(std::string_view text) {
  return text.size() <= kMaxCommand_bytes &&
         std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

Result<ChildResult> run_child(const ChildCommand& command, std::int64_t limit_ns) {
  const std::int64_t deadline_ns = monotonic_ns() + limit_ns;
  GRIT_TRY(Pipe output, Pipe::make(0));
  GRIT_TRY(Pipe errors, Pipe::make(0));
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  GRIT_TRY(const Forked forked, fork_child(command, output.writer.get(), errors.writer.get()));
  output.writer.reset(), errors.writer.reset();
  for (const Fd* fd : {&output.reader, &errors.reader}) ::fcntl(fd->get(), F_SETFL, O_NONBLOCK);
  // With its sentinel there before it can have started anything.
  Child child(forked.pid, std::move(output.reader), std::move(errors.reader), command.stop_fd);
  if (is_decided(forked, command.stop_fd, deadline_ns)) GRIT_CHECK(await_start(forked, command));
  return child.follow(deadline_ns);
}

std::vector<std::string> plain_environment() {
  std::vector<std::string> made{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
                                "LANG=C", "SHELL=/bin/sh"};
  for (const char* name : {"HOME", "USER", "LOGNAME", "TZ"})
    if (const char* value = std::getenv(name)) made.push_back(fmt::format("{}={}", name, value));
  return made;
}

Result<CompanionProgram> CompanionProgram::start(const ChildCommand& command) {
  const Fd nowhere(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  if (!nowhere) return errno_error("/dev/null");
  GRIT_TRY(const Forked forked, fork_child(command, nowhere.get(), nowhere.get()));
  CompanionProgram companion(forked.pid);  // with its sentinel there before it can have started anything
  if (const auto started = await_start(forked, command); !started) {
    companion.pid_ = -1;  // it was waited for
    return tl::make_unexpected(started.error());
  }
  return companion;
}

CompanionProgram::CompanionProgram(pid_t pid) : pid_(pid), sentinel_(std::make_unique<Sentinel>(pid)) {}

CompanionProgram::CompanionProgram(CompanionProgram&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), sentinel_(std::move(other.sentinel_)), end_(std::move(other.end_)) {}

CompanionProgram& CompanionProgram::operator=(CompanionProgram&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(sentinel_, other.sentinel_);
  std::swap(end_, other.end_);
  return *this;
}

CompanionProgram::~CompanionProgram() {
  if (pid_ <= 0) return;
  kill_session(pid_, monotonic_ns() + kDying_ns);
  sentinel_.reset();
  ::kill(pid_, SIGKILL);  // should it have left its session
  const std::int64_t deadline_ns = monotonic_ns() + kDying_ns;
  while (::waitpid(pid_, nullptr, WNOHANG) == 0 && monotonic_ns() < deadline_ns) ::usleep(1000);
}

std::string CompanionProgram::end() {
  siginfo_t info{};
  if (pid_ <= 0 || ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
      info.si_pid != pid_)
    return end_;
  kill_session(pid_, monotonic_ns() + kDying_ns);  // until it is reaped, its number is its session's alone
  int status = 0;
  sentinel_.reset();  // before the number can be another session's
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return end_ = WIFSIGNALED(status) ? fmt::format("ended by {}", ::strsignal(WTERMSIG(status)))
                                    : fmt::format("ended with exit status {}", WEXITSTATUS(status));
}

pid_t still_stuck() { return kill_children(monotonic_ns() + kLeftovers_ns); }

}  // namespace grit
