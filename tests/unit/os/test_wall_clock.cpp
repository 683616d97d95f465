// The machine's clock is never set by a test: reading it, and who may set it.
#include "harness/os/wall_clock.hpp"

#include "tests/namespace.hpp"

using namespace grit;
using grit::test::ok;

TEST_CASE("the wall clock's origin stays where it is while nobody sets the clock") {
  ClockStepWatch watch = ok(ClockStepWatch::open());
  const std::int64_t first_ns = wall_clock_origin_ns();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const std::int64_t second_ns = wall_clock_origin_ns();
  if (watch.steps() == 0) CHECK(std::llabs(second_ns - first_ns) < kNsPerMs);
}

TEST_CASE("who may not set the clock is told so") {
  const pid_t child = ::fork();
  if (child == 0) {
    static_cast<void>(::setgid(65534));
    static_cast<void>(::setuid(65534));
    ::_exit(why_no_clock_setting().has_value() ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}
