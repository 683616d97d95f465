#include "harness/agent/observer_process.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <thread>
#include <utility>

#include "harness/agent/observer.hpp"
#include "harness/base/json.hpp"
#include "harness/os/process.hpp"

namespace grit {
namespace {

constexpr int kLineBuffer_bytes = 1 << 20;    // the largest message, too; what the kernel gives of it
constexpr std::int64_t kFewest_ns = kNsPerS;  // between two of them: one that dies at once must not keep the agent busy
constexpr std::int64_t kLastWords_ns = kNsPerS;  // of an agent that gives up: what its node is left with
constexpr auto kGoodbyeLook = std::chrono::milliseconds(10);

bool waits_for_cpu(pid_t pid) {
  const auto identity = identify_process(pid);
  const auto state = identity ? process_state(*identity) : Result<std::optional<ProcessState>>(std::nullopt);
  return state && *state && (*state)->state == 'R';
}

/// False: its agent has ended without a word.
bool is_told(int line) {
  pollfd word{line, POLLIN, 0};
  while (::poll(&word, 1, -1) < 0 && errno == EINTR) {
  }
  char first = 0;
  return ::recv(line, &first, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

[[noreturn]] void run_child(const AgentConfig& config, const Segment& segment, int line, bool begins_when_told) {
  ::prctl(PR_SET_NAME, begins_when_told ? "grit-spare" : "grit-observer");
  for (const int ignored : {SIGPIPE, SIGXFSZ, SIGHUP, SIGINT, SIGTERM}) ::signal(ignored, SIG_IGN);
  // Sockets whose closing undoes a fault must not stay open here, nor the lock on the node.
  if (line > STDERR_FILENO + 1) ::close_range(STDERR_FILENO + 1, static_cast<unsigned>(line) - 1, 0);
  ::close_range(static_cast<unsigned>(line) + 1, ~0U, 0);
  if (begins_when_told && !is_told(line)) ::_exit(0);
  ::prctl(PR_SET_NAME, "grit-observer");
  int code = 0;
  try {
    if (auto observed = observe(config, segment, Fd(line)); !observed) {
      fmt::print(stderr, "grit observer: {}\n", observed.error().message);
      code = 1;
    }
  } catch (const std::exception& error) {
    fmt::print(stderr, "grit observer: {}\n", error.what());
    code = 1;
  }
  ::_exit(code);  // no destructor of the agent's: its workers are not ours to end
}

}  // namespace

Result<ObserverProcess> ObserverProcess::fork(const AgentConfig& config, const Segment& segment,
                                              bool begins_when_told) {
  std::array<int, 2> ends{-1, -1};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0)
    return errno_error("socketpair");
  Fd ours(ends[0]), theirs(ends[1]);
  for (const int fd : ends)
    if (::setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &kLineBuffer_bytes, sizeof kLineBuffer_bytes) != 0)
      ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kLineBuffer_bytes, sizeof kLineBuffer_bytes);
  const pid_t pid = ::fork();
  if (pid < 0) return errno_error("cannot fork the observer");
  if (pid == 0) run_child(config, segment, theirs.release(), begins_when_told);
  return ObserverProcess(pid, std::move(ours));
}

ObserverProcess::ObserverProcess(ObserverProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      line_(std::move(other.line_)),
      ended_well_(other.ended_well_),
      watched_from_ns_(other.watched_from_ns_),
      waiting_(std::move(other.waiting_)),
      waiting_bytes_(other.waiting_bytes_),
      dropped_(other.dropped_) {}

ObserverProcess& ObserverProcess::operator=(ObserverProcess&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(line_, other.line_);
  std::swap(ended_well_, other.ended_well_);
  std::swap(watched_from_ns_, other.watched_from_ns_);
  std::swap(waiting_, other.waiting_);
  std::swap(waiting_bytes_, other.waiting_bytes_);
  std::swap(dropped_, other.dropped_);
  return *this;
}

ObserverProcess::~ObserverProcess() {
  if (pid_ <= 0) return;
  line_.reset();  // it sends on what it was told, and ends
  for (const std::int64_t deadline_ns = monotonic_ns() + kLastWords_ns; !reap() && monotonic_ns() < deadline_ns;)
    std::this_thread::sleep_for(kGoodbyeLook);
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  reap();
}

void ObserverProcess::flush() {
  while (!waiting_.empty()) {
    const std::string& message = waiting_.front();
    if (::send(line_.get(), message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
      if (errno == EINTR) continue;
      if (errno != EMSGSIZE) return;  // full, or gone: is_gone() tells
      fmt::print(stderr, "grit agent: an event of {} bytes was dropped: it is too large\n", message.size());
      ++dropped_;
    }
    waiting_bytes_ -= message.size();
    waiting_.pop_front();
  }
}

void ObserverProcess::queue(std::string message) {
  flush();
  if (waiting_bytes_ + message.size() > kBacklog_bytes) {
    if (dropped_++ == 0) fmt::print(stderr, "grit agent: events are dropped: the observer does not take them\n");
    return;
  }
  waiting_bytes_ += message.size();
  waiting_.push_back(std::move(message));
  flush();
}

void ObserverProcess::send(const Json& event) { queue(json_text(event)); }

std::optional<ObserverProcess::News> ObserverProcess::receive() {
  flush();
  std::array<char, 65536> text{};
  const ssize_t got = ::recv(line_.get(), text.data(), text.size(), MSG_DONTWAIT);
  if (got <= 0) return std::nullopt;
  const auto said = parse_json(std::string_view(text.data(), static_cast<std::size_t>(got)));
  News news;
  if (!said || !said->is_object()) return news;
  if (const auto end = said->find("end"); end != said->end() && end->is_string()) news.end = end->get<std::string>();
  if (const auto block = said->find("observed"); block != said->end() && block->is_number_integer())
    news.observed_block = block->get<int>();
  return news;
}

bool ObserverProcess::reap() {
  if (int status = 0; pid_ > 0 && ::waitpid(pid_, &status, WNOHANG) == pid_) {
    pid_ = -1;
    ended_well_ = status == 0;
    line_.reset();  // nobody polls it any more
  }
  return pid_ < 0;
}

bool ObserverProcess::is_gone(std::int64_t beat_ns) {
  const std::int64_t now_ns = monotonic_ns();
  if (reap()) return now_ns - watched_from_ns_ > kFewest_ns;
  siginfo_t stopped{};
  const bool is_stopped =
      ::waitid(P_PID, static_cast<id_t>(pid_), &stopped, WSTOPPED | WNOHANG | WNOWAIT) == 0 && stopped.si_pid == pid_;
  const bool stays_stopped = is_stopped && now_ns - watched_from_ns_ > kFewest_ns;
  const std::int64_t silent_ns = now_ns - std::max(beat_ns, watched_from_ns_);
  const bool hangs = silent_ns > kSilence_ns && (silent_ns > kStarved_ns || !waits_for_cpu(pid_));
  if (stays_stopped || hangs) ::kill(pid_, SIGKILL);
  return reap() && now_ns - watched_from_ns_ > kFewest_ns;
}

void ObserverProcess::adopt(ObserverProcess& old) {
  waiting_ = std::move(old.waiting_);
  waiting_bytes_ = std::exchange(old.waiting_bytes_, 0);
  dropped_ = old.dropped_;
}

bool ObserverProcess::say_goodbye(std::int64_t patience_ns) {
  queue(std::string(kObserverGoodbye));
  const std::int64_t deadline_ns = monotonic_ns() + patience_ns;
  while (!reap() && monotonic_ns() < deadline_ns) {
    flush();
    std::this_thread::sleep_for(kGoodbyeLook);
  }
  return pid_ < 0 && ended_well_;
}

}  // namespace grit
