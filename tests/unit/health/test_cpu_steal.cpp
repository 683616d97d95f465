#include "tests/unit/health/check_reading.hpp"

using namespace grit;

namespace {

/// Two CPUs, in ticks of 10 ms; guests' time is in "user" as well.
struct Machine {
  test::KernelFiles tree{};
  std::array<std::int64_t, 2> user{100, 100}, steal{7, 3}, idle{50, 50};
  void run(int cpu, std::int64_t user_ticks, std::int64_t steal_ticks) {
    const auto i = static_cast<std::size_t>(cpu);
    user[i] += user_ticks, steal[i] += steal_ticks;
    write();
  }
  void write() const {
    const auto line = [](const std::string& name, std::int64_t u, std::int64_t s, std::int64_t i) {
      return fmt::format("{} {} 0 0 {} 0 0 0 {} {} 0\n", name, u, i, s, u);
    };
    tree.write("proc/stat", line("cpu ", user[0] + user[1], steal[0] + steal[1], idle[0] + idle[1]) +
                                line("cpu0", user[0], steal[0], idle[0]) + line("cpu1", user[1], steal[1], idle[1]) +
                                "intr 5 0 0\nprocs_blocked 0\n");
  }
};

struct Reading {
  Machine machine{};
  test::CheckUnderTest check{"cpu_steal"};
  Reading() {
    machine.write();
    check.look_at(machine.tree);
    REQUIRE(check.read_one().detail == "first reading");
  }
};

}  // namespace

TEST_CASE("cpu_steal: the share of all CPUs and of each one, of what came since") {
  Reading reading;
  reading.machine.run(0, 500, 0), reading.machine.run(1, 490, 10);
  REQUIRE(reading.check.read_one(5 * kNsPerS).severity == Severity::ok);
  reading.machine.run(0, 500, 0), reading.machine.run(1, 460, 40);
  const Outcome warning = reading.check.read_one(5 * kNsPerS);
  REQUIRE(warning.severity == Severity::warning);
  REQUIRE(warning.value == Approx(0.04));
  REQUIRE(warning.subject.empty());
  reading.machine.run(0, 500, 0), reading.machine.run(1, 440, 60);
  const Outcome one = reading.check.read_of("cpu1", 5 * kNsPerS);
  REQUIRE(one.severity == Severity::warning);
  REQUIRE(one.value == Approx(0.12));
  for (const auto severity : {Severity::warning, Severity::warning, Severity::critical}) {
    reading.machine.run(0, 300, 200), reading.machine.run(1, 500, 0);
    REQUIRE(reading.check.read_of("", 5 * kNsPerS).severity == severity);
  }
  reading.machine.run(0, 500, 0), reading.machine.run(1, 500, 0);
  REQUIRE(reading.check.read_one(5 * kNsPerS).severity == Severity::ok);
}

TEST_CASE("cpu_steal: a few ticks in a short window say no share") {
  Reading reading;
  reading.machine.run(0, 46, 4);
  REQUIRE(reading.check.read_one(kNsPerS / 2).severity == Severity::ok);
}

TEST_CASE("cpu_steal: counters that fall, and a file that is something else") {
  Reading reading;
  reading.machine.run(0, -90, -7);
  REQUIRE(reading.check.read_one(5 * kNsPerS).severity == Severity::ok);
  for (const std::string& text : test::hostile_texts()) {
    reading.machine.tree.write("proc/stat", text);
    REQUIRE_FALSE(reading.check.try_read().has_value());
  }
  reading.machine.tree.write("proc/stat",
                             "cpu  9 9 9 9 9 9 9 99999999999999999 0 0\ncpu0 9 9 9 9 9 9 9 18446744073709551615 0 0\n");
  REQUIRE_FALSE(reading.check.try_read().has_value());
  reading.machine.tree.remove("proc/stat");
  REQUIRE_FALSE(reading.check.try_read().has_value());
}

TEST_CASE("cpu_steal: this machine says its figures") {
  test::CheckUnderTest check("cpu_steal");
  REQUIRE(check.read().front().severity == Severity::ok);
}
