#include "harness/agent/agent_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <chrono>
#include <csignal>
#include <thread>

#include "harness/base/clock.hpp"
#include "harness/base/files.hpp"

extern char** environ;

namespace grit {
namespace {

constexpr int kReplyTimeout_ms = 20'000;
constexpr auto kWatchInterval = std::chrono::milliseconds(200);
constexpr std::int64_t kLeaseGrace_ns =
    kNsPerS;  // the agent's own timer reverts first; this is for an agent that is stuck

/// The inherited descriptors and standard streams of the agent; nothing of mpirun's stays open in it.
class SpawnActions {
 public:
  SpawnActions() {
    GRIT_ASSERT(posix_spawn_file_actions_init(&actions_) == 0 && posix_spawnattr_init(&attributes_) == 0);
  }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
  ~SpawnActions() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  void open(int fd, const char* path, int flags) {
    GRIT_ASSERT(posix_spawn_file_actions_addopen(&actions_, fd, path, flags, 0) == 0);
  }
  void dup(int from, int to) { GRIT_ASSERT(posix_spawn_file_actions_adddup2(&actions_, from, to) == 0); }
  Result<pid_t> spawn(const char* program, std::array<char*, 3> arguments) {
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSID);
    pid_t pid = -1;
    const int error = posix_spawn(&pid, program, &actions_, &attributes_, arguments.data(), environ);
    if (error != 0) return errno_error("cannot start the agent", error);
    return pid;
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

Result<std::string> read_reply(int fd) {
  std::string reply;
  std::array<char, 4096> chunk{};
  const std::int64_t deadline = monotonic_ns() + kReplyTimeout_ms * kNsPerMs;
  for (;;) {
    pollfd ready{fd, POLLIN, 0};
    const auto left_ms = static_cast<int>((deadline - monotonic_ns()) / kNsPerMs);
    if (left_ms <= 0 || ::poll(&ready, 1, left_ms) == 0) return internal_error("the agent did not answer within 20 s");
    const ssize_t got = ::read(fd, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error("cannot read the agent's answer");
    if (got == 0) break;
    reply.append(chunk.data(), static_cast<std::size_t>(got));
  }
  if (reply.empty()) return internal_error("the agent died before it answered");
  return reply;
}

/// A copy of a descriptor above the numbers that the agent's own will get, so that no dup2 in the child overwrites
/// another.
Fd lifted(int fd) { return Fd(::fcntl(fd, F_DUPFD_CLOEXEC, 16)); }

}  // namespace

Json to_json(const AgentConfig& config) {
  return Json{{"plan", to_json(config.plan)},
              {"node", config.node},
              {"recorder", config.recorder},
              {"listen_address", config.listen_address},
              {"endpoint", config.endpoint},
              {"keys", to_json(config.keys)},
              {"run_directory", config.run_directory.string()},
              {"journal_directory", config.journal_directory.string()}};
}

Result<AgentConfig> agent_config_from_json(const Json& json) {
  AgentConfig config;
  try {
    config.node = json.at("node").get<int>();
    config.recorder = json.at("recorder").get<bool>();
    config.listen_address = json.at("listen_address").get<std::string>();
    config.endpoint = json.at("endpoint").get<std::string>();
    config.run_directory = json.at("run_directory").get<std::string>();
    config.journal_directory = json.at("journal_directory").get<std::string>();
    GRIT_TRY(config.keys, run_keys_from_json(json.at("keys")));
    GRIT_TRY(config.plan, plan_from_json(json.at("plan")));
  } catch (const Json::exception& error) {
    return internal_error(std::string("bad agent configuration: ") + error.what());
  }
  return config;
}

Result<std::unique_ptr<AgentProcess>> AgentProcess::start(AgentConfig config, const Segment& segment) {
  auto agent = std::unique_ptr<AgentProcess>(new AgentProcess(std::move(config), segment));
  agent->wake_fd_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!agent->wake_fd_) return errno_error("eventfd");
  GRIT_CHECK(agent->spawn());
  agent->watcher_ = std::thread([raw = agent.get()] { raw->watch(); });
  return agent;
}

/// No descriptor where the node does not see the run directory, or may not write to it.
Fd AgentProcess::open_log() const {
  if (config_.run_directory.empty()) return {};
  const Fd log = open_plain_file(config_.run_directory / fmt::format("agent-node{}.log", config_.node),
                                 O_WRONLY | O_CREAT | O_APPEND);
  return log ? lifted(log.get()) : Fd();
}

Status AgentProcess::spawn() {
  std::array<int, 2> sockets{-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()) != 0) return errno_error("socketpair");
  const Fd ours(sockets[0]);
  Fd theirs = lifted(sockets[1]);
  ::close(sockets[1]);
  const Fd segment = lifted(segment_.descriptor());
  const Fd wake = lifted(wake_fd_.get());
  const Fd log = open_log();

  SpawnActions actions;
  actions.open(STDIN_FILENO, "/dev/null", O_RDONLY);
  actions.open(STDOUT_FILENO, "/dev/null", O_WRONLY);
  if (log)
    actions.dup(log.get(), STDERR_FILENO);
  else
    actions.open(STDERR_FILENO, "/dev/null", O_WRONLY);
  actions.dup(theirs.get(), kAgentBootstrapFd);
  actions.dup(segment.get(), kAgentSegmentFd);
  actions.dup(wake.get(), kAgentWakeFd);
  std::string name = "grit", command = "agent";
  GRIT_TRY(const pid_t pid, actions.spawn("/proc/self/exe", {name.data(), command.data(), nullptr}));
  pid_.store(pid);
  theirs.reset();

  GRIT_CHECK(write_all(ours.get(), json_text(to_json(config_))));
  ::shutdown(ours.get(), SHUT_WR);
  GRIT_TRY(const std::string reply, read_reply(ours.get()));
  GRIT_TRY(const Json answer, parse_json(reply));
  if (answer.contains("error"))
    return Failure(Error{static_cast<ErrorKind>(answer.value("kind", static_cast<int>(ErrorKind::internal))),
                         answer["error"].get<std::string>()});
  config_.endpoint = answer.value("endpoint", config_.endpoint);
  return {};
}

bool AgentProcess::lease_overdue() const {
  const std::int64_t deadline = segment_.control().lease_deadline_ns.load();
  return deadline != 0 && monotonic_ns() > deadline + kLeaseGrace_ns;
}

void AgentProcess::watch() {
  for (;;) {
    int status = 0;
    const pid_t pid = pid_.load();
    if (::waitpid(pid, &status, WNOHANG) == pid) {
      const bool ended_well = WIFEXITED(status) && WEXITSTATUS(status) == 0;  // its ranks had finished
      if (ended_well || stop_.load() || !spawn()) break;
    } else if (lease_overdue()) {
      ::kill(pid, SIGKILL);  // stuck or stopped with a fault in force: its successor reverts
    }
    std::this_thread::sleep_for(kWatchInterval);
  }
  ended_.store(true);
}

void AgentProcess::wake() const {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written =
      ::write(wake_fd_.get(), &one, sizeof one);  // full counter: it is awake already
}

bool AgentProcess::wait_for_end(std::int64_t timeout_ns) {
  const std::int64_t deadline = monotonic_ns() + timeout_ns;
  while (!ended_.load() && monotonic_ns() < deadline) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  return ended_.load();
}

AgentProcess::~AgentProcess() {
  stop_.store(true);
  if (watcher_.joinable()) {
    if (!ended_.load()) ::kill(pid_.load(), SIGTERM);
    if (!wait_for_end(5 * kNsPerS)) ::kill(pid_.load(), SIGKILL);
    watcher_.join();
  } else if (pid_.load() > 0) {  // it never became ready
    ::kill(pid_.load(), SIGKILL);
    ::waitpid(pid_.load(), nullptr, 0);
  }
}

}  // namespace grit
