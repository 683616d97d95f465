#include <sys/prctl.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "harness/os/child_process.hpp"
#include "tests/namespace.hpp"
#include "tests/temp_directory.hpp"

using namespace grit;
using grit::test::ok;

namespace {

ChildResult run_shell(const std::string& line, std::int64_t limit_ns = 10 * kNsPerS) {
  return ok(run_child({.argv = {"/bin/sh", "-c", line}, .environment = {"PATH=/usr/bin:/bin", "GIVEN=yes"}}, limit_ns));
}

/// Ended, or about to be reaped by whoever has it now.
bool is_gone(pid_t pid) {
  const auto stat = read_file(fmt::format("/proc/{}/stat", pid));
  return !stat || stat->find(") Z ") != std::string::npos;
}

}  // namespace

TEST_CASE("child process: exit status, both outputs, and nothing of ours") {
  ::setenv("GRIT_TEST_SECRET", "secret", 1);
  const Fd ours(::open("/dev/null", O_RDONLY));  // without O_CLOEXEC
  const ChildResult said =
      run_shell("echo out; echo err >&2; pwd; echo \"$GIVEN $GRIT_TEST_SECRET\"; ls /proc/self/fd; exit 3");
  REQUIRE(said.end == ChildEnd::exited);
  REQUIRE(said.status == 3);
  REQUIRE(said.errors == "err\n");
  REQUIRE(said.output == "out\n/\nyes \n0\n1\n2\n3\n");  // 3: ls itself looks at the directory
  REQUIRE_FALSE(said.left_processes);
  REQUIRE(said.cpu_ns > 0);
  REQUIRE(run_shell("cat").status == 0);  // no input
  const ChildResult crashed = run_shell("kill -SEGV $$");
  REQUIRE(crashed.end == ChildEnd::signalled);
  REQUIRE(crashed.status == SIGSEGV);
}

TEST_CASE("child process: one that ignores signals here is not started with them ignored") {
  ::signal(SIGTERM, SIG_IGN);
  const ChildResult ended = run_shell("kill -TERM $$; echo alive");
  ::signal(SIGTERM, SIG_DFL);
  REQUIRE(ended.end == ChildEnd::signalled);
  REQUIRE(ended.status == SIGTERM);
}

TEST_CASE("child process: what cannot be run says why") {
  const auto missing = run_child({.argv = {"/no/such/program"}}, kNsPerS);
  REQUIRE_FALSE(missing.has_value());
  REQUIRE(missing.error().message == "/no/such/program cannot be run: No such file or directory");
  REQUIRE_THAT(run_child({.argv = {"/etc/passwd"}}, kNsPerS).error().message, Catch::Contains("Permission denied"));
}

TEST_CASE("child process: a hanging one is killed at its limit, also when it ignores SIGTERM") {
  for (const char* line : {"exec sleep 100", "trap '' TERM; while :; do sleep 100; done", "kill -STOP $$"}) {
    const std::int64_t begun_ns = monotonic_ns();
    const ChildResult late = run_shell(line, kNsPerS / 10);
    REQUIRE(late.end == ChildEnd::timed_out);
    REQUIRE(monotonic_ns() - begun_ns < 4 * kNsPerS);  // 0.85 s and what a busy machine adds
  }
}

TEST_CASE("child process: one that is told to stop is killed at once, without a farewell, and what it started, too") {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const Fd stop(ends[0]);
  std::thread teller([writer = Fd(ends[1])]() mutable {
    ::usleep(300'000);
    writer.reset();
  });
  const std::int64_t begun_ns = monotonic_ns();
  const ChildResult result =
      ok(run_child({.argv = {"/bin/sh", "-c", "trap '' TERM; setsid sleep 100 & echo $!; while :; do :; done"},
                    .environment = {"PATH=/usr/bin:/bin"},
                    .stop_fd = stop.get()},
                   100 * kNsPerS));
  teller.join();
  REQUIRE(result.end == ChildEnd::stopped);
  REQUIRE(result.cpu_ns > 0);
  REQUIRE(is_gone(std::stoi(result.output)));
  REQUIRE(monotonic_ns() - begun_ns < 3 * kNsPerS);
}

TEST_CASE("child process: a flood is told from a hanging one, and costs no more than it keeps") {
  const std::int64_t begun_ns = monotonic_ns();
  const ChildResult flood = run_shell("exec yes");
  REQUIRE(flood.end == ChildEnd::flooded);
  REQUIRE(flood.output.size() == 8192);
  REQUIRE(monotonic_ns() - begun_ns < 5 * kNsPerS);
  REQUIRE(run_shell("yes >&2", 10 * kNsPerS).end == ChildEnd::flooded);
  REQUIRE(run_shell("head -c 1100000 /dev/zero").end == ChildEnd::flooded);  // whether it has ended or not
  const ChildResult much = run_shell("head -c 1000000 /dev/zero; echo x >&2");
  REQUIRE(much.end == ChildEnd::exited);
  REQUIRE(much.output.size() == 8192);
  REQUIRE(much.errors == "x\n");
}

TEST_CASE("child process: what it leaves behind is killed, wherever it went, and said") {
  for (const char* line :
       {"sleep 100 & echo $!", "setsid sleep 100 & echo $!", "setsid sleep 100 >/dev/null 2>&1 & echo $!"}) {
    INFO(line);
    const std::int64_t begun_ns = monotonic_ns();
    const ChildResult left = run_shell(line);
    REQUIRE(left.end == ChildEnd::exited);
    REQUIRE(left.left_processes);
    REQUIRE(monotonic_ns() - begun_ns < 3 * kNsPerS);  // it does not wait until they end
    REQUIRE(is_gone(std::stoi(left.output)));
  }
  const ChildResult late = run_shell("setsid sleep 100 & echo $!; sleep 100", kNsPerS / 5);
  REQUIRE(late.end == ChildEnd::timed_out);
  REQUIRE(is_gone(std::stoi(late.output)));
}

TEST_CASE("child process: the whole session is told at the limit, process groups of their own too, and has its time") {
  const test::TempDirectory directory;
  const std::string file = (directory.path() / "told").string();
  const std::string line = fmt::format(
      "timeout 100 sh -c 'trap \"trap : TERM; sleep 0.1; echo told > {}; exit\" TERM; while :; do sleep 0.01; done'; :",
      file);
  REQUIRE(run_shell(line, kNsPerS).end == ChildEnd::timed_out);  // its shell ends at once
  REQUIRE(ok(read_file(file)) == "told\n");
}

TEST_CASE("child process: when who runs it is killed, so is all of its session, in whatever process group") {
  const test::TempDirectory directory;
  const std::string file = (directory.path() / "pids").string();
  const pid_t runner = ::fork();
  if (runner == 0) {
    static_cast<void>(
        run_child({.argv = {"/bin/sh", "-c", "timeout 100 sleep 100 & echo $$ $! > " + file + "; sleep 100"},
                   .environment = {"PATH=/usr/bin:/bin"}},
                  100 * kNsPerS));
    ::_exit(0);
  }
  pid_t shell = 0, second = 0;
  for (int i = 0; i < 1000 && (second == 0 || ::getpgid(second) != second); ++i, ::usleep(5000))
    std::ifstream(file) >> shell >> second;
  const pid_t second_group = ::getpgid(second);
  ::kill(runner, SIGKILL);
  REQUIRE(::waitpid(runner, nullptr, 0) == runner);
  REQUIRE(second > 0);
  REQUIRE(second_group == second);
  for (int i = 0; i < 1000 && !(is_gone(shell) && is_gone(second)); ++i) ::usleep(5000);
  REQUIRE(is_gone(shell));
  REQUIRE(is_gone(second));
}

TEST_CASE("child process: what cannot be killed is left, itself or what it started, and its end is seen") {
  // A frozen control group of the first version keeps a process like a device that does not answer.
  const std::filesystem::path group = fmt::format("/sys/fs/cgroup/freezer/test-of-grit-{}", ::getpid());
  std::error_code failed;
  if (::geteuid() != 0 || !std::filesystem::create_directory(group, failed))
    return test::skip("no control group of the first version that freezes");
  const std::string state = (group / "freezer.state").string();
  const std::string freeze = fmt::format("sh -c 'echo $$ > {}/tasks; echo FROZEN > {}; exit 0'", group.string(), state);
  for (const std::string& line :
       {"exec " + freeze, freeze + " | cat", fmt::format("{} & until grep -q FROZEN {}; do :; done", freeze, state)}) {
    INFO(line);
    const ChildResult stuck = run_shell(line, kNsPerS / 2);
    const std::string seen = read_file(fmt::format("/proc/{}/cgroup", stuck.stuck_pid)).value_or("");
    const pid_t still = still_stuck();
    test::detail::write_text(state.c_str(), "THAWED");
    pid_t later = still;
    for (int i = 0; i < 500 && later > 0; ++i) later = still_stuck();
    CHECK(stuck.end == ChildEnd::stuck);
    CHECK_THAT(seen, Catch::Contains(group.filename().string()));
    CHECK_FALSE(stuck.left_processes);
    CHECK(still == stuck.stuck_pid);
    CHECK(later == -1);
  }
  std::filesystem::remove(group, failed);
}

TEST_CASE("child process: one that was killed and is not given a CPU is waited for, and is not stuck") {
  const std::filesystem::path group = fmt::format("/sys/fs/cgroup/cpu/test-of-grit-{}", ::getpid());
  std::error_code failed;
  if (::geteuid() != 0 || !std::filesystem::create_directory(group, failed))
    return test::skip("no control group of the first version with a share of the CPUs");
  test::detail::write_text((group / "cpu.cfs_period_us").c_str(), "1000000");
  test::detail::write_text((group / "cpu.cfs_quota_us").c_str(), "50000");
  const std::string enter = fmt::format("echo $$ > {}/tasks", group.string());
  const std::string burn = "while :; do :; done";
  const ChildResult itself = run_shell(enter + "; " + burn, kNsPerS / 2);
  CHECK(itself.end == ChildEnd::timed_out);
  CHECK(itself.stuck_pid == -1);
  const ChildResult left = run_shell(fmt::format("setsid sh -c '{}; {}' & sleep 0.3", enter, burn));
  CHECK(left.end == ChildEnd::exited);
  CHECK(left.left_processes);
  CHECK(left.stuck_pid == -1);
  CHECK(still_stuck() == -1);
  std::filesystem::remove(group, failed);
  CHECK_FALSE(failed);
}

TEST_CASE("companion program: runs until it is not wanted any more, with what it started") {
  const test::TempDirectory directory;
  const auto numbers = directory.path() / "numbers";
  pid_t first = 0, second = 0;
  {
    CompanionProgram runs = ok(CompanionProgram::start(
        {.argv = {"/bin/sh", "-c",
                  fmt::format("sleep 100 & echo $$ $! >{0}.new; mv {0}.new {0}; wait", numbers.string())},
         .environment = {"PATH=/usr/bin:/bin"}}));
    while (!std::filesystem::exists(numbers)) ::usleep(1000);
    std::ifstream(numbers) >> first >> second;
    CompanionProgram moved = std::move(runs);
    REQUIRE(moved.end().empty());
    REQUIRE_FALSE(is_gone(first));
    REQUIRE_FALSE(is_gone(second));
  }
  REQUIRE(is_gone(first));
  for (int i = 0; i < 1000 && !is_gone(second); ++i) ::usleep(1000);
  REQUIRE(is_gone(second));
}

TEST_CASE("companion program: when who started it is killed, so is all of its session") {
  const test::TempDirectory directory;
  const auto numbers = directory.path() / "numbers";
  const pid_t owner = ::fork();
  if (owner == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // it goes with the test
    const auto runs = CompanionProgram::start(
        {.argv = {"/bin/sh", "-c",
                  fmt::format("sleep 100 & echo $$ $! >{0}.new; mv {0}.new {0}; wait", numbers.string())},
         .environment = {"PATH=/usr/bin:/bin"}});
    if (!runs) ::_exit(1);
    for (;;) ::pause();
  }
  REQUIRE(owner > 0);
  for (int i = 0; i < 60'000 && !std::filesystem::exists(numbers); ++i) {  // a minute
    if (::waitpid(owner, nullptr, WNOHANG) != 0) FAIL("the program could not be started");
    ::usleep(1000);
  }
  pid_t first = 0, second = 0;
  std::ifstream(numbers) >> first >> second;
  const bool ran = first > 0 && second > 0 && !is_gone(second);
  ::kill(owner, SIGKILL);
  ::waitpid(owner, nullptr, 0);
  REQUIRE(ran);
  for (int i = 0; i < 60'000 && !(is_gone(first) && is_gone(second)); ++i) ::usleep(1000);
  REQUIRE(is_gone(first));
  REQUIRE(is_gone(second));
}

TEST_CASE("companion program: says how it ended, and why it cannot be started") {
  CompanionProgram ends = ok(CompanionProgram::start({.argv = {"/bin/sh", "-c", "exit 3"}}));
  while (ends.end().empty()) ::usleep(1000);
  REQUIRE(ends.end() == "ended with exit status 3");
  CompanionProgram crashes = ok(CompanionProgram::start({.argv = {"/bin/sh", "-c", "kill -SEGV $$"}}));
  while (crashes.end().empty()) ::usleep(1000);
  REQUIRE_THAT(crashes.end(), Catch::Contains("Segmentation fault"));
  REQUIRE_THAT(CompanionProgram::start({.argv = {"/no/such"}}).error().message, Catch::Contains("No such file"));
}
