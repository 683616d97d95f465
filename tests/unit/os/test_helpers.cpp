#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <functional>

#include "harness/os/process.hpp"
#include "tests/namespace.hpp"

using namespace grit;
using test::ok;

namespace {

/// A process that rests, once it has done `first`; killed at the end.
class Resting {
 public:
  explicit Resting(const std::function<void()>& first = [] {}) {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      first();
      static_cast<void>(::write(ends[1], "", 1));
      for (;;) ::pause();
    }
    char ready = 1;
    REQUIRE(::read(ends[0], &ready, 1) == 1);
    ::close(ends[0]), ::close(ends[1]);
  }
  Resting(const Resting&) = delete;
  Resting& operator=(const Resting&) = delete;
  ~Resting() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
};

}  // namespace

TEST_CASE("helpers of a process are all that it has started in its session, and what these have") {
  const Resting plain, with_child([] { static Resting grandchild; }), apart([] { ::setsid(); });
  const ProcessIdentity own = ok(identify_process(::getpid())), maker = ok(identify_process(with_child.pid()));
  auto gone = own;
  gone.start_ticks += 1;  // another process of that number
  const auto helpers = ok(helpers_of(std::array{own, maker, gone}));
  REQUIRE(helpers.size() == 3);
  REQUIRE(helpers[1].size() == 1);
  std::vector<pid_t> found;
  for (const ProcessIdentity& helper : helpers[0]) found.push_back(helper.pid);
  std::ranges::sort(found);
  std::vector<pid_t> expected{plain.pid(), with_child.pid(), helpers[1].front().pid};
  std::ranges::sort(expected);
  CHECK(found == expected);
  CHECK(ok(process_state(helpers[1].front())).has_value());
  CHECK(helpers[2].empty());
}
