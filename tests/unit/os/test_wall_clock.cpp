// The machine's clock is never set by a test: reading it, and who may set it.
#include <sys/timex.h>

#include <fstream>

#include "harness/os/wall_clock.hpp"
#include "tests/namespace.hpp"
#include "tests/temp_directory.hpp"

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

TEST_CASE("a time daemon is found by its name, with what to stop") {
  const test::TempDirectory proc;
  std::filesystem::create_directories(proc.path() / "7");
  std::filesystem::create_directories(proc.path() / "8");
  std::ofstream(proc.path() / "7" / "comm") << "bash\n";
  const auto without = what_keeps_the_clock(proc.path());
  CHECK(running_time_daemon(proc.path()).empty());
  CHECK((!without || without->find("bash") == std::string::npos));
  for (const auto& [name, unit] : {std::pair{"chronyd", "chronyd"}, {"systemd-timesyn", "systemd-timesyncd"}}) {
    std::ofstream(proc.path() / "8" / "comm") << name << "\n";
    const auto why = what_keeps_the_clock(proc.path());
    REQUIRE(why.has_value());
    CHECK(running_time_daemon(proc.path()) == unit);
    CHECK_THAT(*why, Catch::Contains(unit) && Catch::Contains(fmt::format("systemctl stop {}", unit)));
  }
}

TEST_CASE("a clock that the kernel still corrects, or that an unseen daemon keeps, is not free") {
  CHECK(what_disciplines_the_kernel(STA_PLL, 1000, true).has_value());
  CHECK_FALSE(what_disciplines_the_kernel(STA_PLL, 0, true).has_value());  // what a stopped ntpd leaves
  CHECK_FALSE(what_disciplines_the_kernel(0, 0, true).has_value());
  CHECK(what_disciplines_the_kernel(0, 0, false).has_value());
  CHECK_FALSE(what_disciplines_the_kernel(STA_UNSYNC, 0, false).has_value());
}
