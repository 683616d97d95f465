// site_check: whatever the program does, and that nothing of it is left.
#include <fcntl.h>

#include <csignal>
#include <filesystem>
#include <thread>

#include "harness/base/clock.hpp"
#include "harness/base/files.hpp"
#include "harness/os/cpus.hpp"
#include "harness/os/thread_affinity.hpp"
#include "injectors/injector.hpp"
#include "tests/namespace.hpp"
#include "tests/temp_directory.hpp"

using namespace grit;
using test::ok;

namespace {

const Injector& site_check_fault() {
  const Injector* injector = find_injector("site_check");
  REQUIRE(injector != nullptr);
  return *injector;
}

Target target(Json given) {
  if (!given.contains("limit")) given["limit"] = 10 * kNsPerS;
  return {"", Params(ok(complete_params(site_check_fault().info().params, std::move(given)))), Json::object(), {}};
}

/// Waits (up to 8 s) for something that another process does.
bool becomes_true(const std::function<bool()>& condition) {
  const std::int64_t deadline_ns = monotonic_ns() + 8 * kNsPerS;
  while (!condition()) {
    if (monotonic_ns() > deadline_ns) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

/// Ended, or about to be reaped by whoever has it now.
bool is_gone(pid_t pid) {
  const auto stat = read_file(fmt::format("/proc/{}/stat", pid));
  return !stat || stat->find(") Z ") != std::string::npos;
}

struct Seen {
  Json before, after;
  Json reading;  // once the run had ended, still in force
  bool held = false;
  [[nodiscard]] bool acted() const { return site_check_fault().acted(before, after); }
};

/// One time in force, until the program's run has ended.
Seen run(Json given) {
  Seen seen;
  const auto fault = ok(site_check_fault().prepare(target(std::move(given)))).fault;
  seen.before = ok(fault->counters());
  ok(fault->start());
  REQUIRE(becomes_true([&] {
    const Json now = ok(fault->counters());
    return now.value("runs", 0) + now.value("not_run", 0) > 0;
  }));
  const Reading reading = ok(fault->read());
  seen.reading = reading.details;
  seen.held = reading.holds;
  ok(fault->stop());
  seen.after = ok(fault->counters());
  REQUIRE_FALSE(ok(fault->read()).left);
  return seen;
}

struct HungWorker {
  std::vector<pid_t> program{};  // what the command has written
};

/// Starts it, waits for the pids that its command writes, and stops its worker and whoever watches for the worker's
/// end: nobody but the fault ends then what the program has started.
HungWorker hang(Fault& fault, const std::string& file) {
  ok(fault.start());
  REQUIRE(becomes_true([&] { return read_file(file).value_or("").ends_with("\n"); }));
  HungWorker hung;
  std::istringstream pids(ok(read_file(file)));
  for (pid_t pid = 0; pids >> pid;) hung.program.push_back(pid);
  const auto worker = ok(fault.read()).details["worker"].get<pid_t>();
  std::istringstream children(ok(read_file(fmt::format("/proc/{0}/task/{0}/children", worker))));
  int watchers = 0;
  for (pid_t pid = 0; children >> pid;) {
    if (pid == hung.program.at(0)) continue;
    REQUIRE(::kill(pid, SIGSTOP) == 0);
    ++watchers;
  }
  REQUIRE(watchers == 1);
  REQUIRE(::kill(worker, SIGSTOP) == 0);
  return hung;
}

}  // namespace

TEST_CASE("site_check: a checker that alarms is no error, and its cost is counted") {
  const Seen seen = run({{"command", "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done; echo alarm; exit 2"}});
  REQUIRE(seen.held);
  REQUIRE(seen.acted());
  REQUIRE(seen.after["runs"] == 1);
  REQUIRE(seen.after["failed"] == 1);
  REQUIRE(seen.after["killed"] == 0);
  REQUIRE(seen.after["not_run"] == 0);
  REQUIRE(seen.after["cpu_ns"].get<std::int64_t>() > 5 * kNsPerMs);
  REQUIRE(seen.reading["longest_ns"].get<std::int64_t>() > 5 * kNsPerMs);
}

TEST_CASE("site_check: the CPU time of what it starts and waits for, or leaves behind, is its own") {
  const std::string burn = "sh -c 'i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done'";
  REQUIRE(run({{"command", burn + " & wait"}}).after["cpu_ns"].get<std::int64_t>() > 5 * kNsPerMs);
  const test::TempDirectory directory;
  const std::string done = (directory.path() / "done").string();
  const Seen left = run({{"command", "setsid sh -c \"" + burn + "; touch " + done + "; sleep 100\" & while ! [ -e " +
                                         done + " ]; do sleep 0.01; done"}});
  REQUIRE(left.after["killed"] == 0);  // what it left was killed and reaped, and so counted
  REQUIRE(left.after["cpu_ns"].get<std::int64_t>() > 5 * kNsPerMs);
}

TEST_CASE("site_check: one that hangs or floods is killed, and has acted") {
  const Seen hangs = run({{"command", "sleep 100"}, {"limit", 100 * kNsPerMs}});
  REQUIRE(hangs.held);
  REQUIRE(hangs.acted());
  REQUIRE(hangs.after["runs"] == 1);
  REQUIRE(hangs.after["killed"] == 1);
  REQUIRE(hangs.after["failed"] == 0);
  REQUIRE(hangs.reading["longest_ns"].get<std::int64_t>() < 5 * kNsPerS);
  const Seen floods = run({{"command", "yes"}});
  REQUIRE(floods.acted());
  REQUIRE(floods.after["killed"] == 1);
}

TEST_CASE("site_check: one that cannot be run does not hold, has not acted, and says why") {
  const Seen seen = run({{"command", "no-such-checker --all"}});
  REQUIRE_FALSE(seen.held);
  REQUIRE_FALSE(seen.acted());
  REQUIRE(seen.after["not_run"] == 1);
  REQUIRE(seen.after["runs"] == 0);
  REQUIRE_THAT(seen.reading["why"].get<std::string>(), Catch::Contains("status 127") && Catch::Contains("no-such"));
}

TEST_CASE("site_check: its end ends all of a run at once, wherever it went, and counts what it used") {
  const test::TempDirectory directory;
  const std::string file = (directory.path() / "pids").string();
  const auto fault =
      ok(site_check_fault().prepare(
             target({{"command", "trap '' TERM; setsid sleep 100 & echo $$ $! > " + file + "; while :; do :; done"}})))
          .fault;
  const Json before = ok(fault->counters());
  for (int again = 0; again < 2; ++again) {
    std::filesystem::remove(file);
    ok(fault->start());
    REQUIRE(becomes_true([&] { return read_file(file).value_or("").ends_with("\n"); }));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    const std::int64_t begun_ns = monotonic_ns();
    ok(fault->stop());
    REQUIRE(monotonic_ns() - begun_ns < kNsPerS);  // without a farewell; milliseconds but for a busy machine
    std::istringstream pids(ok(read_file(file)));
    pid_t shell = 0, away = 0;
    pids >> shell >> away;
    REQUIRE((shell > 0 && away > 0));
    REQUIRE(is_gone(shell));
    REQUIRE(is_gone(away));
  }
  ok(fault->stop());
  const Json after = ok(fault->counters());
  REQUIRE(after["cut"] == 2);
  REQUIRE(after["runs"] == 0);
  REQUIRE(site_check_fault().acted(before, after));
  REQUIRE(after["cpu_ns"].get<std::int64_t>() > 10 * kNsPerMs);
}

TEST_CASE("site_check: when its worker hangs and is killed, its stop ends what the worker had started") {
  const test::TempDirectory directory;
  const std::string file = (directory.path() / "pids").string();
  const auto fault = ok(site_check_fault().prepare(target(
                            {{"command", "sleep 100 & a=$!; setsid sleep 100 & echo $$ $a $! > " + file + "; wait"}})))
                         .fault;
  const HungWorker worker = hang(*fault, file);
  ok(fault->stop());
  for (const pid_t pid : worker.program) CHECK(is_gone(pid));
  REQUIRE_FALSE(ok(fault->read()).left);
  ok(fault->start());  // and it can be started again
  REQUIRE(becomes_true([&] { return ok(fault->read()).holds; }));
  ok(fault->stop());
}

TEST_CASE("site_check: what lives on after its worker was killed is left, until it has ended") {
  // A frozen control group of the first version keeps a process like a device that does not answer.
  const std::filesystem::path group = fmt::format("/sys/fs/cgroup/freezer/test-of-grit-s{}", ::getpid());
  std::error_code failed;
  if (::geteuid() != 0 || !std::filesystem::create_directory(group, failed))
    return test::skip("no control group of the first version that freezes");
  const test::TempDirectory directory;
  const std::string state = (group / "freezer.state").string(), file = (directory.path() / "pids").string();
  const auto fault =
      ok(site_check_fault().prepare(target({{"command", "sleep 100 & echo $$ $! > " + file + "; wait"}}))).fault;
  const HungWorker worker = hang(*fault, file);
  const pid_t sleeper = worker.program.at(1);
  test::detail::write_text((group / "tasks").c_str(), std::to_string(sleeper).c_str());
  test::detail::write_text(state.c_str(), "FROZEN");
  for (int again = 0; again < 2; ++again) {
    const Status stopped = fault->stop();
    CHECK_FALSE(stopped.has_value());
    if (!stopped) CHECK_THAT(stopped.error().message, Catch::Contains(fmt::format("process {} of the check", sleeper)));
    CHECK(ok(fault->read()).left);
  }
  test::detail::write_text(state.c_str(), "THAWED");
  CHECK(becomes_true([&] { return fault->stop().has_value(); }));
  CHECK(is_gone(sleeper));
  CHECK_FALSE(ok(fault->read()).left);
  CHECK(becomes_true([&] { return std::filesystem::remove(group, failed); }));
}

TEST_CASE("site_check: it runs where it is told to") {
  const Cpus mine = ok(affinity_of_thread(0));
  const test::TempDirectory directory;
  const std::string file = (directory.path() / "cpus").string();
  const std::string command = "grep Cpus_allowed_list /proc/self/status > " + file;
  const auto ran_on = [&](const std::string& cores) {
    REQUIRE(run({{"command", command}, {"cores", cores}}).acted());
    return ok(read_file(file));
  };
  REQUIRE_THAT(ran_on(std::to_string(mine.front())), Catch::EndsWith(fmt::format("\t{}\n", mine.front())));
  REQUIRE_THAT(ran_on("beside"), Catch::EndsWith(fmt::format("\t{}\n", to_list(mine))));
  const auto none = site_check_fault().prepare(target({{"command", "true"}, {"cores", "4096"}}));
  REQUIRE_FALSE(none.has_value());
  REQUIRE_THAT(none.error().message, Catch::Contains("this node has CPUs"));
}

TEST_CASE("site_check: one of check and command, a line, and only a command is the scenario's") {
  const auto refused = [](Json given) {
    const auto device = site_check_fault().resolve_device({}, target(std::move(given)).params);
    return device ? std::string() : device.error().message;
  };
  REQUIRE(refused({{"check", "pressure"}}).empty());
  REQUIRE(refused({{"command", "nhc"}}).empty());
  REQUIRE_THAT(refused({}), Catch::Contains("give `check`, one of grit's, or `command`"));
  REQUIRE_THAT(refused({{"check", "pressure"}, {"command", "nhc"}}), Catch::Contains("not both"));
  REQUIRE_THAT(refused({{"command", "a\nb"}}), Catch::Contains("one line"));
  REQUIRE_THAT(refused({{"command", std::string(5000, 'x')}}), Catch::Contains("at most 4096 bytes"));
  // A plan to replay may be anybody's.
  for (const char* option : {"--config=/tmp/x.lua", "--openmetrics=/etc/cron.d/x", "a b"}) {
    REQUIRE_THAT(refused({{"check", option}}), Catch::Contains("must be the name of one of grit's checks"));
    REQUIRE_FALSE(site_check_fault().prepare(target({{"check", option}})).has_value());
  }
  REQUIRE_FALSE(site_check_fault().runs_commands(target({{"check", "pressure"}}).params));
  REQUIRE(site_check_fault().runs_commands(target({{"command", "nhc"}}).params));
}
