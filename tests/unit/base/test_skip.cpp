// What a test program ends with, tried with its own binary: the hidden tests below skip, or skip and fail.
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/catch.hpp"

namespace {

/// The exit code of this program when it runs the tests of these tags.
int exit_code(const std::string& tags) {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  const int status = std::system(fmt::format("'{}' '{}' > /dev/null", self, tags).c_str());
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

}  // namespace

TEST_CASE("a program that skipped says so by its exit code, unless something failed") {
  CHECK(exit_code("[skips]") == grit::test::kSkippedExitCode);
  CHECK(exit_code("[skips-in-a-child]") == grit::test::kSkippedExitCode);
  CHECK(exit_code("[skips-and-fails]") == 1);
  CHECK(exit_code("[fails-77-times]") == 1);
  CHECK(exit_code("[skips],[fails-77-times]") == 1);
  CHECK(exit_code("[passes]") == 0);
}

TEST_CASE("skips", "[.][skips]") { grit::test::skip("to try it"); }

TEST_CASE("skips in a child", "[.][skips-in-a-child]") {
  const pid_t child = ::fork();
  if (child == 0) {
    grit::test::skip("to try it");
    ::_exit(0);
  }
  REQUIRE(::waitpid(child, nullptr, 0) == child);
}

TEST_CASE("skips and fails", "[.][skips-and-fails]") {
  grit::test::skip("to try it");
  CHECK(false);
}

TEST_CASE("fails 77 times", "[.][fails-77-times]") {
  for (int i = 0; i < 77; ++i) CHECK(false);
}

TEST_CASE("passes", "[.][passes]") { CHECK(true); }
