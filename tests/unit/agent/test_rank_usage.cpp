#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <ctime>
#include <thread>

#include "harness/agent/rank_usage.hpp"
#include "harness/base/clock.hpp"
#include "harness/base/files.hpp"
#include "tests/namespace.hpp"

using namespace grit;

namespace {

/// A process that computes, in this one's session or in its own, until it is killed.
class Busy {
 public:
  explicit Busy(bool own_session) {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (own_session) ::setsid();
      ::close(ends[1]);
      for (;;) {
      }
    }
    ::close(ends[1]);
    char nothing = 0;
    REQUIRE(::read(ends[0], &nothing, 1) == 0);  // it has its session
    ::close(ends[0]);
  }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;
  ~Busy() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

 private:
  pid_t pid_ = -1;
};

std::int64_t cpu_ns(RankUsage& usage) { return usage.read().at("ranks").at(0).at("cpu_ns").get<std::int64_t>(); }

std::int64_t own_cpu_ns() {
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return used.tv_sec * kNsPerS + used.tv_nsec;
}

/// What this process is said to use beyond what it does, while the other one computes.
std::int64_t used_beside_ns(bool own_session) {
  RankUsage usage({{.rank = 5, .pid = ::getpid()}});
  const Busy busy(own_session);
  const std::int64_t before_ns = cpu_ns(usage) - own_cpu_ns();
  std::int64_t beside_ns = 0;
  // Until it was given a CPU for so long, on however busy a machine.
  for (int i = 0; i < 100 && beside_ns < 50 * kNsPerMs; ++i) {
    ::usleep(20'000);
    beside_ns = cpu_ns(usage) - own_cpu_ns() - before_ns;
    if (own_session && i == 10) break;
  }
  return beside_ns;
}

/// A thread of this process in state D, as one that waits for a disk: it waits for a child that has its memory.
class Blocked {
 public:
  Blocked() : thread_([this] { block(); }) {
    while (stat().find(") D ") == std::string::npos) ::usleep(1000);
  }
  Blocked(const Blocked&) = delete;
  Blocked& operator=(const Blocked&) = delete;
  ~Blocked() {
    goes_on_ = true;
    thread_.join();
  }

 private:
  void block() {
    id_ = ::gettid();
    const auto child = [](void* self) {
      while (!static_cast<Blocked*>(self)->goes_on_) ::usleep(1000);
      return 0;
    };
    const pid_t pid = ::clone(child, stack_.data() + stack_.size(), CLONE_VM | CLONE_VFORK | SIGCHLD, this);
    if (pid > 0) ::waitpid(pid, nullptr, 0);
  }
  [[nodiscard]] std::string stat() const {
    return read_file("/proc/self/task/" + std::to_string(id_) + "/stat").value_or("");
  }

  std::atomic<pid_t> id_ = 0;
  std::atomic<bool> goes_on_ = false;
  alignas(16) std::array<std::byte, 64 * 1024> stack_{};
  std::thread thread_;
};

std::int64_t blocked_ns(RankUsage& usage) {
  return usage.read().at("ranks").at(0).at("blocked_ns").get<std::int64_t>();
}

}  // namespace

TEST_CASE("what a thread of a rank waits for storage is the rank's wait, as that of one that writes checkpoints") {
  RankUsage usage({{.rank = 5, .pid = ::getpid()}});
  usage.look(1 * kNsPerS);
  {
    const Blocked writer;
    CHECK(blocked_ns(usage) == 0);
    usage.look(3 * kNsPerS);
    {
      const Blocked other;
      CHECK(blocked_ns(usage) == 2 * kNsPerS);
      usage.look(4 * kNsPerS);
    }
    CHECK(blocked_ns(usage) == 4 * kNsPerS);
  }
  usage.look(7 * kNsPerS);
  CHECK(blocked_ns(usage) == 4 * kNsPerS);
}

TEST_CASE("what a rank's helpers use is the rank's, and what is in a session of its own is not") {
  CHECK(used_beside_ns(false) >= 50 * kNsPerMs);
  CHECK(used_beside_ns(true) < 25 * kNsPerMs);
}
