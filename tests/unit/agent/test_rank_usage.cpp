#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <ctime>

#include "harness/agent/rank_usage.hpp"
#include "harness/base/clock.hpp"
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

}  // namespace

TEST_CASE("what a rank's helpers use is the rank's, and what is in a session of its own is not") {
  CHECK(used_beside_ns(false) >= 50 * kNsPerMs);
  CHECK(used_beside_ns(true) < 25 * kNsPerMs);
}
