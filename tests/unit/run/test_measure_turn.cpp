#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <string>

#include "harness/base/clock.hpp"
#include "harness/run/measure_turn.hpp"
#include "tests/catch.hpp"

using namespace grit;

namespace {

/// A child that has the turn and sleeps; killed and reaped with this object at the latest.
class Holder {
 public:
  explicit Holder(const std::string& burnin, bool is_stubborn = false) {
    std::array<int, 2> ready{};
    REQUIRE(::pipe(ready.data()) == 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::signal(SIGTERM, is_stubborn ? SIG_IGN : SIG_DFL);
      const auto turn = MeasureTurn::take(burnin, "n1", 0);
      if (!turn) ::_exit(1);
      if (::write(ready[1], "x", 1) != 1) ::_exit(1);
      for (;;) ::pause();
    }
    ::close(ready[1]);
    char byte = 0;
    REQUIRE(::read(ready[0], &byte, 1) == 1);
    ::close(ready[0]);
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;
  ~Holder() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] bool lives() const { return ::waitpid(pid_, nullptr, WNOHANG) == 0; }
  /// By which signal it was ended.
  int ended_by() {
    int status = 0;
    REQUIRE(::waitpid(pid_, &status, 0) == pid_);
    pid_ = 0;
    REQUIRE(WIFSIGNALED(status));
    return WTERMSIG(status);
  }

 private:
  pid_t pid_ = 0;
};

std::string name_of_test() { return std::to_string(::getpid()) + "-" + std::to_string(monotonic_ns()); }

}  // namespace

TEST_CASE("What an earlier front end left measuring on a node is ended before its burn-in goes on there") {
  const std::string burnin = name_of_test();
  Holder left_behind(burnin);
  const auto turn = MeasureTurn::take(burnin, "n1", 60 * kNsPerS);
  REQUIRE(turn);
  CHECK(left_behind.ended_by() == SIGTERM);
  CHECK_FALSE(MeasureTurn::take(burnin, "n1", 0));  // it is held now
}

TEST_CASE("One that does not end when it is asked to is killed") {
  const std::string burnin = name_of_test();
  Holder stubborn(burnin, true);
  REQUIRE(MeasureTurn::take(burnin, "n1", 60 * kNsPerS));
  CHECK(stubborn.ended_by() == SIGKILL);
}

TEST_CASE("Who is not wanted any more does not wait for its turn and ends nobody") {
  const std::string burnin = name_of_test();
  const Holder holder(burnin);
  int asked = 0;
  const auto turn = MeasureTurn::take(burnin, "n1", 60 * kNsPerS, [&] { return ++asked < 1; });
  REQUIRE_FALSE(turn);
  CHECK(asked == 1);
  CHECK(turn.error().message.find("nobody reads") != std::string::npos);
  CHECK(holder.lives());
}

TEST_CASE("Who cannot have its turn is told what holds it") {
  const std::string burnin = name_of_test();
  const Holder holder(burnin);
  const auto turn = MeasureTurn::take(burnin, "n1", 0);
  REQUIRE_FALSE(turn);
  CHECK(turn.error().kind == ErrorKind::unavailable);
  CHECK(turn.error().message.find("@grit-measure-" + burnin + "-n1 ") != std::string::npos);
}

TEST_CASE("Measurements of another burn-in, and of another node of a machine, are left alone") {
  const std::string burnin = name_of_test();
  const Holder other(burnin);
  CHECK(MeasureTurn::take(burnin + "0", "n1", 0));
  CHECK(MeasureTurn::take(burnin, "n2", 0));
  CHECK(other.lives());
}
