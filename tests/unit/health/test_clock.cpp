#include <sys/timex.h>

#include "harness/health/checks/clock_sync.hpp"
#include "harness/os/wall_clock.hpp"
#include "tests/unit/health/check_reading.hpp"

using namespace grit;

namespace {

std::string stat_of(int pid, char state, int start_ticks) {
  return fmt::format("{} (x) {} 1 2 3 0 -1 0 10 0 1 0 5 6 0 0 20 0 1 0 {} 1000 20\n", pid, state, start_ticks);
}

struct Processes {
  test::KernelFiles tree{};
  test::CheckUnderTest check{"clock"};
  Processes() {
    check.look_at(tree);
    set(1, "init", 'S', 1);
  }
  void set(int pid, const std::string& name, char state, int start_ticks) const {
    tree.write(fmt::format("proc/{}/comm", pid), name + "\n");
    tree.write(fmt::format("proc/{}/stat", pid), stat_of(pid, state, start_ticks));
  }
};

}  // namespace

// The machine's clock is never set by a test: what was read before is made another.
TEST_CASE("clock: a step of the clock is as large as it was") {
  Processes processes;
  test::CheckUnderTest& check = processes.check;
  REQUIRE(check.read_of("steps").detail == "first reading");
  const Outcome none = check.read_of("steps");
  if (none.severity != Severity::ok) return test::skip("somebody sets the clock of this machine");
  REQUIRE(std::abs(*none.value) < 0.001);
  const auto step = [&](std::int64_t by_ns) {
    check.memory.keep("origin", *check.memory.find("origin") - by_ns);
    return check.read_of("steps");
  };
  REQUIRE(step(2 * kNsPerMs).severity == Severity::warning);
  REQUIRE(step(-2 * kNsPerMs).severity == Severity::warning);
  const Outcome large = step(500 * kNsPerMs);
  REQUIRE(large.severity == Severity::critical);
  REQUIRE(large.value == Approx(0.5).margin(0.001));
  REQUIRE(large.detail == "the clock was set by +0.500 s");
  REQUIRE(check.read_of("steps").severity == Severity::ok);
  check.memory.clear();  // a block begins, soon after the last reading and long after it
  REQUIRE(check.read_of("steps").detail == "nobody set the clock");
  check.memory.clear();
  REQUIRE(check.read_of("steps", 2 * kNsPerS).detail == "first reading");
}

TEST_CASE("clock: a daemon that was seen must live and not be stopped, another one may take its place") {
  Processes processes;
  test::CheckUnderTest& check = processes.check;
  REQUIRE(check.read_of("daemon").detail == "none is seen here");
  processes.set(77, "chronyd", 'S', 500);
  REQUIRE(check.read_of("daemon").detail == "none is seen here");  // all processes are not looked at each time
  REQUIRE(check.read_of("daemon", 30 * kNsPerS).detail == "chronyd runs");
  processes.set(77, "chronyd", 'T', 500);
  REQUIRE(check.read_of("daemon").severity == Severity::critical);
  REQUIRE(check.read_of("daemon").detail == "chronyd is stopped (state T)");
  processes.set(77, "bash", 'S', 900);  // the number is another's
  check.memory.clear();
  REQUIRE(check.read_of("daemon").detail == "chronyd has ended, perhaps to be started anew");
  REQUIRE(check.read_of("daemon").severity == Severity::ok);
  REQUIRE(check.read_of("daemon", 9 * kNsPerS).detail == "chronyd has ended");
  REQUIRE(check.read_of("daemon").severity == Severity::critical);
  REQUIRE(check.read_of("daemon", 60 * kNsPerS).severity == Severity::critical);
  processes.set(78, "systemd-timesyn", 'S', 901);
  REQUIRE(check.read_of("daemon").detail == "systemd-timesyncd runs");
  processes.tree.remove("proc");
  for (int i = 0; i < 10; ++i) REQUIRE(check.read_of("daemon").severity == Severity::ok);
  REQUIRE(check.read_of("daemon").severity == Severity::critical);
}

TEST_CASE("clock: a daemon that is started anew is not missed") {
  Processes processes;
  processes.set(77, "chronyd", 'S', 500);
  REQUIRE(processes.check.read_of("daemon").detail == "chronyd runs");
  processes.set(77, "chronyd", 'Z', 500);
  for (int i = 0; i < 4; ++i) REQUIRE(processes.check.read_of("daemon", 2 * kNsPerS).severity == Severity::ok);
  processes.set(79, "chronyd", 'S', 900);
  REQUIRE(processes.check.read_of("daemon", 2 * kNsPerS).detail == "chronyd runs");
  processes.tree.remove("proc/79");
  REQUIRE(processes.check.read_of("daemon").severity == Severity::ok);
  // The time before it was missed does not count.
  test::CheckUnderTest& check = processes.check;
  processes.set(80, "chronyd", 'S', 950);
  REQUIRE(check.read_of("daemon").detail == "chronyd runs");
  processes.tree.remove("proc/80");
  REQUIRE(check.read_of("daemon", 60 * kNsPerS).severity == Severity::ok);
}

TEST_CASE("clock: a daemon among thousands that ends is missed from the end of a look at all of them on") {
  Processes processes;
  for (int pid = 1000; pid < 4000; ++pid) processes.tree.write(fmt::format("proc/{}/comm", pid), "kworker/0:1\n");
  processes.set(77, "ntpd", 'S', 500);
  const auto read_until = [&](const std::string& detail) {
    for (int i = 0; i < 1000; ++i)
      if (processes.check.read_of("daemon").detail == detail) return true;
    return false;
  };
  REQUIRE(read_until("ntpd runs"));
  processes.tree.remove("proc/77");
  REQUIRE(read_until("ntpd has ended"));
  for (int i = 0; i < 100; ++i) REQUIRE(processes.check.read_of("daemon").severity == Severity::critical);
}

TEST_CASE("clock: files that are something else are no daemon") {
  Processes processes;
  for (const std::string& text : test::hostile_texts()) {
    processes.set(77, text, 'S', 500);
    processes.tree.write("proc/78/comm", "chronyd\n");
    processes.tree.write("proc/78/stat", text);
    REQUIRE(processes.check.read_of("daemon", 30 * kNsPerS).severity == Severity::ok);
  }
}

TEST_CASE("clock: what the kernel knows of how right it is") {
  CheckMemory memory;
  const Node node;
  const std::vector<Node> peers;
  const std::vector<int> ranks;
  const Params params(Json{{"unsynchronized_after", 600 * kNsPerS}, {"maxerror", 4 * kNsPerS}});
  const CheckInput input{.node = node, .params = params, .memory = memory, .peers = peers, .rank_pids = ranks};
  const auto judge = [&](ClockSync sync, const std::optional<std::string>& daemon = "ntpd") {
    return judge_sync(input, sync, daemon).severity;
  };
  const ClockSync lost{STA_UNSYNC, 16'000'000, 600 * kNsPerS};
  REQUIRE(judge({STA_UNSYNC, 16'000'000, 599 * kNsPerS}) == Severity::ok);  // just started
  REQUIRE(judge(lost) == Severity::warning);                                // at a block's first reading
  REQUIRE(judge({STA_UNSYNC, 15'000'000, 600 * kNsPerS}) == Severity::ok);
  REQUIRE(judge(lost, "chronyd") == Severity::ok);  // which tells the kernel only when it is asked to
  REQUIRE(judge(lost, "") == Severity::warning);
  REQUIRE(judge(lost, std::nullopt) == Severity::ok);  // perhaps it is chronyd
  REQUIRE(judge({0, 20'000}) == Severity::ok);
  REQUIRE(judge({0, 1'100'000}) == Severity::ok);  // systemd-timesyncd, 2048 s after it has asked
  REQUIRE(judge({0, 4'000'000}) == Severity::warning);
  REQUIRE(judge({STA_INS, 20'000}) == Severity::warning);
}
