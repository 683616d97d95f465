// command: what a shell can do wrong. And kernel_log, which must never write without root.
#include <sys/prctl.h>

#include <filesystem>

#include "harness/os/shell.hpp"
#include "injectors/injector.hpp"
#include "tests/namespace.hpp"
#include "tests/unit/record/support.hpp"

using namespace grit;
using test::ok;

namespace {

const Injector& command_fault() {
  const Injector* injector = find_injector("command");
  REQUIRE(injector != nullptr);
  return *injector;
}

Target target(Json given) {
  return {"", Params(ok(complete_params(command_fault().info().params, std::move(given)))), Json::object(), {}};
}

}  // namespace

TEST_CASE("shell: status, output, and a time limit that ends what it started as well") {
  const auto said = ok(run_in_shell("echo out; echo err >&2; exit 3", kNsPerS * 5));
  REQUIRE(said.status == 3);
  REQUIRE(said.output == "out\nerr\n");
  REQUIRE(ok(run_in_shell("kill -9 $$", kNsPerS * 5)).status == 128 + 9);
  REQUIRE(ok(run_in_shell("cat", kNsPerS * 5)).status == 0);  // no input
  REQUIRE(ok(run_in_shell("head -c 100000 /dev/zero", kNsPerS * 5)).output.size() == 4096);
  REQUIRE(ok(run_in_shell("no-such-program", kNsPerS * 5)).status == 127);

  const test::TempDirectory directory;
  const std::string late = (directory.path() / "late").string();
  const std::int64_t begun_ns = monotonic_ns();
  const auto killed = run_in_shell("(sleep 0.6; touch " + late + ") & sleep 30", kNsPerS / 5);
  REQUIRE_FALSE(killed.has_value());
  REQUIRE_THAT(killed.error().message, Catch::Contains("took longer than 200 ms"));
  REQUIRE(monotonic_ns() - begun_ns < 5 * kNsPerS);
  std::this_thread::sleep_for(std::chrono::milliseconds(800));
  REQUIRE_FALSE(std::filesystem::exists(late));
}

TEST_CASE("command: commands that fail are errors, in their own words") {
  const Json fine{{"apply", "true"}, {"evidence", "false"}, {"counter", "echo 1"}, {"revert", "true"}};
  const auto with = [&](const char* key, const char* command) {
    Json given = fine;
    given[key] = command;
    return target(given);
  };
  REQUIRE_FALSE(command_fault().why_unavailable(target(fine)).has_value());
  REQUIRE_THAT(command_fault().why_unavailable(with("evidence", "true")).value_or("available"),
               Catch::Contains("in force already"));
  REQUIRE_THAT(command_fault().why_unavailable(with("evidence", "no-such-program")).value_or("available"),
               Catch::Contains("cannot be run"));
  const Target fails = with("apply", "echo no such luck; exit 4");
  const auto applied = ok(command_fault().prepare(with("apply", "echo no such luck; exit 4"))).fault->start();
  REQUIRE_FALSE(applied.has_value());
  REQUIRE_THAT(applied.error().message, Catch::Contains("status 4") && Catch::Contains("no such luck"));
  REQUIRE_FALSE(command_fault().revert(ok(command_fault().prepare(with("revert", "exit 1"))).undo).has_value());
  const auto counted = ok(command_fault().prepare(with("counter", "echo many"))).fault->counters();
  REQUIRE_FALSE(counted.has_value());
  REQUIRE_THAT(counted.error().message, Catch::Contains("no number"));
  REQUIRE_FALSE(command_fault().resolve_device({}, with("revert", "").params).has_value());
  REQUIRE_FALSE(command_fault().resolve_device({}, with("revert", "a\nb").params).has_value());
}

TEST_CASE("kernel_log: root of a user namespace may not write to the machine's log") {
  const Injector* log = find_injector("kernel_log");
  REQUIRE(log != nullptr);
  const Target line{"", Params(ok(complete_params(log->info().params, Json::object()))), Json::object(), {}};
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    bool refused = false;
    if (::geteuid() != 0 || (::setgid(65534) == 0 && ::setuid(65534) == 0)) {
      refused = log->why_unavailable(line).value_or("").find("root") != std::string::npos;
      ::prctl(PR_SET_DUMPABLE, 1);  // lost with the change of user; /proc/self would belong to root
      if (::unshare(CLONE_NEWUSER) == 0) {
        test::detail::write_text("/proc/self/uid_map", "0 65534 1");
        refused = refused && log->why_unavailable(line).value_or("").find("root") != std::string::npos;
      }
    }
    ::_exit(refused ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(status == 0);
}

TEST_CASE("kernel_log: what is no plain line is refused in the plan") {
  const Injector* log = find_injector("kernel_log");
  REQUIRE(log != nullptr);
  for (const std::string& text : {std::string(), std::string("two\nlines"), std::string(2000, 'x')}) {
    const Params params(ok(complete_params(log->info().params, Json{{"text", text}})));
    REQUIRE_FALSE(log->resolve_device({}, params).has_value());
  }
}
