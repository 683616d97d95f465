#include "harness/agent/kept_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>

#include "harness/base/clock.hpp"
#include "harness/base/files.hpp"
#include "harness/base/own_pause.hpp"
#include "harness/os/namespaces.hpp"
#include "harness/os/spawn.hpp"

namespace grit {
namespace {

constexpr std::int64_t kReplyTimeout_ns = 20 * kNsPerS;
constexpr int kAttempts = 3;  // to start a successor
constexpr auto kAttemptPause = std::chrono::seconds(1);
constexpr int kWatchInterval_ms = 500;  // its end is seen at once; this is for whether it was stopped, or is of no use
constexpr int kLooksStopped = 2;        // one second: nobody stops such a process for long and means well
constexpr std::int64_t kEndPatience_ns = 5 * kNsPerS;
constexpr std::int64_t kNoSign_ns = 60 * kNsPerS;

/// No descriptor where the node does not see the run directory, or may not write to it.
Fd open_log(const std::filesystem::path& file) {
  if (file.empty()) return {};
  const Fd log = open_plain_file(file, O_WRONLY | O_CREAT | O_APPEND);
  return log ? lifted(log.get()) : Fd();
}

/// Not write(2): in a rank SIGPIPE is deadly, and the process may have died before it read.
Status send_all(int socket, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return errno_error("cannot send");
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
  return {};
}

/// What comes on the bootstrap socket, to the end of file. Error: it did not come whole.
Result<Json> read_configuration(int bootstrap) {
  std::string text;
  std::array<char, 65536> chunk{};
  for (;;) {
    const ssize_t got = ::read(bootstrap, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error("cannot read the configuration");
    if (got == 0) return parse_json(text);
    text.append(chunk.data(), static_cast<std::size_t>(got));
  }
}

void answer(int bootstrap, const Result<Ready>& ready) {
  const Json said =
      ready ? ready->answer : Json{{"error", ready.error().message}, {"kind", static_cast<int>(ready.error().kind)}};
  if (auto told = send_all(bootstrap, json_text(said)); !told) fmt::print(stderr, "grit: {}\n", told.error().message);
}

/// By SIGSTOP: it would neither work nor end.
bool is_stopped(pid_t child) {
  siginfo_t stopped{};
  return ::waitid(P_PID, static_cast<id_t>(child), &stopped, WSTOPPED | WNOHANG | WNOWAIT) == 0 &&
         stopped.si_pid == child;
}

}  // namespace

Result<std::unique_ptr<KeptProcess>> KeptProcess::start(Setup setup) {
  GRIT_ASSERT(kFirstInheritedFd + static_cast<int>(setup.descriptors.size()) <= kAboveInherited);
  auto process = std::unique_ptr<KeptProcess>(new KeptProcess(std::move(setup)));
  GRIT_CHECK(process->spawn());
  process->watcher_ = std::thread([raw = process.get()] { raw->watch(); });
  return process;
}

Status KeptProcess::spawn() {
  std::array<int, 2> sockets{-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()) != 0) return errno_error("socketpair");
  const Fd ours(sockets[0]);
  Fd theirs = lifted(sockets[1]);
  ::close(sockets[1]);

  SpawnActions actions;
  actions.open(STDIN_FILENO, "/dev/null", O_RDONLY);
  actions.open(STDOUT_FILENO, "/dev/null", O_WRONLY);
  const Fd log = open_log(setup_.log);
  if (log)
    actions.dup(log.get(), STDERR_FILENO);
  else
    actions.open(STDERR_FILENO, "/dev/null", O_WRONLY);
  actions.dup(theirs.get(), kBootstrapFd);
  std::vector<Fd> inherited;
  for (const int fd : setup_.descriptors) {
    inherited.push_back(lifted(fd));
    actions.dup(inherited.back().get(), kFirstInheritedFd + static_cast<int>(inherited.size()) - 1);
  }
  // One of its threads that does not block SIGTERM would let it end the process at once, before its main can take it.
  GRIT_TRY(const pid_t pid, actions.spawn({.program = "/proc/self/exe",
                                           .arguments = {"grit", setup_.command},
                                           .blocked_signals = {SIGTERM},
                                           .own_session = true}));
  pid_.store(pid);
  theirs.reset();

  GRIT_CHECK(send_all(ours.get(), json_text(setup_.configuration())));
  ::shutdown(ours.get(), SHUT_WR);
  GRIT_TRY(const std::string reply, read_reply(ours.get()));
  GRIT_TRY(const Json said, parse_json(reply));
  if (said.contains("error"))
    return Failure(Error{static_cast<ErrorKind>(said.value("kind", static_cast<int>(ErrorKind::internal))),
                         said["error"].get<std::string>()});
  setup_.answered(said);
  return {};
}

Result<std::string> KeptProcess::read_reply(int fd) const {
  std::string reply;
  std::array<char, 4096> chunk{};
  const std::int64_t since_ns = monotonic_ns();
  for (;;) {
    const std::int64_t deadline_ns = std::max(since_ns + kReplyTimeout_ns, setup_.busy_until_ns());
    if (monotonic_ns() >= deadline_ns)
      return internal_error(
          fmt::format("the {} did not answer within {} s", setup_.command, (monotonic_ns() - since_ns) / kNsPerS));
    pollfd ready{fd, POLLIN, 0};
    if (::poll(&ready, 1, kWatchInterval_ms) == 0) continue;
    const ssize_t got = ::read(fd, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error(fmt::format("cannot read the {}'s answer", setup_.command));
    if (got == 0) break;
    reply.append(chunk.data(), static_cast<std::size_t>(got));
  }
  if (reply.empty()) return internal_error(fmt::format("the {} died before it answered", setup_.command));
  return reply;
}

void KeptProcess::kill_and_reap() {
  const pid_t pid = pid_.exchange(-1);  // from here on its number may be another's
  if (pid <= 0) return;
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
}

/// What one could not put back, or could not do for want of memory, the next one may.
Status KeptProcess::spawn_successor() {
  for (int attempt = 1;; ++attempt) {
    const Status started = spawn();
    if (started) return started;
    kill_and_reap();
    if (attempt == kAttempts || stop_.load()) return started;
    std::this_thread::sleep_for(kAttemptPause);
  }
}

void KeptProcess::watch() {
  ::pthread_setname_np(::pthread_self(), "grit-keeper");
  int looks_stopped = 0;
  // A look that came late: the keeper itself was stopped, with all of the job, and the process with it. That then has
  // as long to do what is due.
  OwnPause pause(kOwnPause_ns);
  Fd process = open_process(pid_.load()).value_or(Fd());  // empty: poll(2) then waits for the time alone
  for (;;) {
    pollfd end{process.get(), POLLIN, 0};
    ::poll(&end, 1, kWatchInterval_ms);
    pause.turn(monotonic_ns());
    int status = 0;
    const pid_t pid = pid_.load();
    if (::waitpid(pid, &status, WNOHANG) == pid) {
      const bool ended_well = WIFEXITED(status) && WEXITSTATUS(status) == 0;  // its work was done
      pid_.store(-1);
      if (ended_well || stop_.load()) break;
      if (auto again = spawn_successor(); !again) {
        setup_.lost(again.error());
        break;
      }
      looks_stopped = 0;
      process = open_process(pid_.load()).value_or(Fd());
      pause = OwnPause(kOwnPause_ns);  // starting it may have taken long
    } else if (pause.silence_ns(0, monotonic_ns()) < kOwnPause_ns) {
      looks_stopped = 0;
    } else {
      looks_stopped = is_stopped(pid) ? looks_stopped + 1 : 0;
      if (looks_stopped >= kLooksStopped || setup_.is_useless()) ::kill(pid, SIGKILL);
    }
  }
  ended_.store(true);
}

void KeptProcess::ask_to_end() const {
  if (const pid_t pid = pid_.load(); pid > 0) ::kill(pid, SIGTERM);
}

bool KeptProcess::wait_for_end(const std::atomic<std::int64_t>& beat_ns) const {
  const std::int64_t since_ns = monotonic_ns();
  while (!ended_.load()) {
    if (monotonic_ns() - std::max(since_ns, beat_ns.load()) > kNoSign_ns) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

KeptProcess::~KeptProcess() {
  stop_.store(true);
  if (watcher_.joinable()) {
    ask_to_end();
    const std::int64_t deadline_ns = monotonic_ns() + kEndPatience_ns;
    while (!ended_.load() && monotonic_ns() < deadline_ns) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    if (const pid_t pid = pid_.load(); pid > 0) ::kill(pid, SIGKILL);
    watcher_.join();
  } else {
    kill_and_reap();  // it never became ready
  }
}

int kept_process_main(const char* name, int descriptors, const std::function<Result<Ready>(const Json&)>& start) {
  // Whatever else was inherited is mpirun's: holding it open would keep mpirun waiting for us.
  ::close_range(static_cast<unsigned>(kFirstInheritedFd + descriptors), ~0U, 0);
  ::prctl(PR_SET_NAME, name);
  // A full file (SIGXFSZ) is an error to report, not a death.
  for (const int ignored : {SIGPIPE, SIGXFSZ, SIGHUP, SIGINT}) ::signal(ignored, SIG_IGN);
  Fd bootstrap(kBootstrapFd);
  const auto made_ready = [&]() -> Result<Ready> {
    GRIT_TRY(const Json configuration, read_configuration(bootstrap.get()));
    return start(configuration);
  };
  const Result<Ready> ready = made_ready();
  // Nobody may listen any more, when the rank died meanwhile. An agent that serves on finds that out and reverts.
  answer(bootstrap.get(), ready);
  bootstrap.reset();
  if (!ready) return static_cast<int>(ready.error().kind);
  ready->serve();
  return 0;
}

}  // namespace grit
