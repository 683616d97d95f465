#include "tests/unit/health/check_reading.hpp"

using namespace grit;
using grit::test::ok;

namespace {

struct Machine : test::KernelFiles {
  std::int64_t total_kb = 16'000'000, available_kb = 8'000'000;
  std::int64_t stalls = 5, compact_fail = 0, oom_kill = 2;
  std::string buddyinfo =
      "Node 0, zone      DMA      0      0      0      0      0      0      0      0      1      2      2\n"
      "Node 0, zone    DMA32      9      9      9      9      9      9      9      9      9      0      0\n"
      "Node 0, zone   Normal   6692   7905  10182   6683   5638   4150   2858   2286   1542    939   1859\n";

  void write_all() {
    write("proc/meminfo", fmt::format("MemTotal: {} kB\nMemFree: 1 kB\nMemAvailable: {} kB\n", total_kb, available_kb));
    write("proc/vmstat", fmt::format("nr_free_pages 7\nallocstall_normal 0\noom_kill {}\ncompact_stall {}\n"
                                     "compact_fail {}\nthp_fault_fallback 0\n",
                                     oom_kill, stalls, compact_fail));
    write("proc/buddyinfo", buddyinfo);
    write("sys/kernel/mm/transparent_hugepage/hpage_pmd_size", "2097152\n");
  }
};

test::CheckUnderTest check_on(const Machine& machine, Json given = Json::object()) {
  test::CheckUnderTest check("memory_room", std::move(given));
  check.look_at(machine);
  return check;
}

}  // namespace

TEST_CASE("memory_room: a machine with room is well, at the first reading and later") {
  Machine machine;
  machine.write_all();
  auto check = check_on(machine);
  for (int i = 0; i < 3; ++i) {
    const auto outcomes = check.read(5 * kNsPerS);
    REQUIRE(outcomes.size() == 4);  // the zones for old devices are not looked at
    for (const Outcome& one : outcomes) CHECK(one.severity == Severity::ok);
  }
  const Outcome zone = check.read_of("node0/Normal");
  CHECK(zone.value == (939.0 + 1859 * 2) * (2 << 20));
  CHECK(check.read_of("").value == 0.5);
}

TEST_CASE("memory_room: a small machine has only memory that old devices can reach") {
  Machine machine;
  machine.buddyinfo = machine.buddyinfo.substr(0, machine.buddyinfo.find("Node 0, zone   Normal"));
  machine.write_all();
  CHECK(check_on(machine).read_of("node0/DMA32").severity == Severity::ok);
}

TEST_CASE("memory_room: little available memory") {
  Machine machine;
  machine.available_kb = 1'600'000;
  machine.write_all();
  auto check = check_on(machine);
  CHECK(check.read_of("").severity == Severity::warning);
  machine.available_kb = 1'600'161;  // 10.001 %
  machine.write_all();
  CHECK(check.read_of("").severity == Severity::ok);
  machine.available_kb = 100 * 1024;
  machine.write_all();
  CHECK(check.read_of("").severity == Severity::critical);
  machine.total_kb = 512 * 1024;  // a container's
  machine.write_all();
  CHECK(check.read_of("").severity == Severity::ok);
  auto deaf = check_on(machine, {{"available_warning", 0.0}, {"available_critical", 0}});
  CHECK(deaf.read_of("").severity == Severity::ok);
}

TEST_CASE("memory_room: processes killed since the last reading, and not before") {
  Machine machine;
  machine.write_all();
  auto check = check_on(machine);
  CHECK(check.read_of("oom_kill").severity == Severity::ok);
  machine.oom_kill += 1;
  machine.write_all();
  CHECK(check.read_of("oom_kill").severity == Severity::warning);
  CHECK(check.read_of("oom_kill").severity == Severity::ok);
  machine.oom_kill = 0;  // counted anew
  machine.write_all();
  CHECK(check.read_of("oom_kill").severity == Severity::ok);
}

TEST_CASE("memory_room: compactions alarm in the second reading in a row") {
  Machine machine;
  machine.write_all();
  auto check = check_on(machine);
  CHECK(check.read_of("compaction").detail == "first reading");
  const auto stall = [&](std::int64_t more, std::int64_t after_ns) {
    machine.stalls += more;
    machine.write_all();
    return check.read_of("compaction", after_ns);
  };
  CHECK(stall(50, 5 * kNsPerS).severity == Severity::ok);
  const Outcome second = stall(50, 5 * kNsPerS);
  CHECK(second.severity == Severity::warning);
  CHECK(second.value == 10);
  CHECK(stall(49, 5 * kNsPerS).severity == Severity::ok);
  CHECK(stall(9, 10 * kNsPerMs).severity == Severity::ok);  // 900 a second, of a window that is too short to say so
  CHECK(stall(9, 10 * kNsPerMs).severity == Severity::ok);
}

TEST_CASE("memory_room: few large blocks are a fault only where somebody got none") {
  Machine machine;
  machine.buddyinfo =
      "Node 0, zone   Normal   900000   0 0 0 0 0 0 0 0 13 10\nNode 1, zone Normal 0 0 0 0 0 0 0 0 0 500 0\n";
  machine.write_all();
  auto check = check_on(machine);
  CHECK(check.read_of("node0/Normal").severity == Severity::ok);
  machine.compact_fail += 3;
  machine.write_all();
  const auto outcomes = check.read();
  REQUIRE(outcomes.size() == 5);
  CHECK(outcomes[3].subject == "node0/Normal");
  CHECK(outcomes[3].severity == Severity::warning);
  CHECK(outcomes[3].value == 33.0 * (2 << 20));
  CHECK(outcomes[4].severity == Severity::ok);  // node1 has plenty
  CHECK(check.read_of("node0/Normal").severity == Severity::ok);
}

TEST_CASE("memory_room: what cannot be read is said, and the rest is judged") {
  Machine machine;
  machine.write_all();
  machine.remove("proc/vmstat");
  machine.remove("proc/buddyinfo");
  auto check = check_on(machine);
  CHECK(check.read_of("").severity == Severity::ok);
  for (const char* subject : {"oom_kill", "compaction", "fragmentation"}) {
    const Outcome outcome = check.read_of(subject);
    CHECK(outcome.severity == Severity::unknown);
    CHECK_FALSE(outcome.detail.empty());
  }
  machine.remove("proc/meminfo");
  CHECK_FALSE(check.try_read());
}

TEST_CASE("memory_room: files that are not as they should be") {
  Machine machine;
  machine.buddyinfo =
      "Node 0, zone Normal 1 2 3\nNode x, zone Normal 0 0 0 0 0 0 0 0 0 1 1\n\xff\xfe\n"
      "Node 0, zone \x1b[31m 0 0 0 0 0 0 0 0 0 18446744073709551615 1\n"
      "Node 0, zone \x1b[31m 0 0 0 0 0 0 0 0 0 1 1";
  machine.write_all();
  machine.write("proc/vmstat",
                "oom_kill\noom_kill 18446744073709551615\n\xff 1\ncompact_stall -\n" + std::string(100'000, 'x'));
  auto check = check_on(machine);
  const auto outcomes = check.read();
  REQUIRE(outcomes.size() == 4);
  CHECK(outcomes[1].severity == Severity::unknown);
  CHECK(outcomes[3].subject == "node0/ [31m");
  CHECK(outcomes[3].severity == Severity::ok);
  for (const char* size : {"1099511627777\n", "9223372036854775807\n", "-1\n", "1\n"}) {
    machine.write("sys/kernel/mm/transparent_hugepage/hpage_pmd_size", size);
    CHECK(check.read_of("node0/ [31m").severity == Severity::ok);
  }
  machine.write("proc/buddyinfo",
                "Node 0, zone Normal 0 0 0 0 0 0 0 0 0 1099511627775 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 "
                "1 1 1 1 1099511627775\n");
  CHECK(check.read_of("fragmentation").severity == Severity::unknown);
  machine.write("proc/meminfo", "MemTotal: 0 kB\nMemAvailable: 0 kB\n");
  CHECK_FALSE(check.try_read());
}

TEST_CASE("memory_room: this machine") {
  test::CheckUnderTest check("memory_room");
  for (const Outcome& one : check.read()) CHECK(one.severity != Severity::critical);
}
