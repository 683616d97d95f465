#include "tests/unit/health/check_reading.hpp"

using namespace grit;

namespace {

struct Machine : test::KernelFiles {
  std::int64_t reads = 1000, read_ms = 500, writes = 2000, write_ms = 4'000'000'000, in_flight = 0, flushes = 10,
               flush_ms = 10, discards = 0;

  Machine() { make_directory("sys/block/vda/device"), make_directory("sys/block/loop0"); }
  void write_stats(const std::string& disk = "vda") {
    write("proc/diskstats",
          fmt::format(
              "   7       0 loop0 1 0 0 0 0 0 0 0 9 0 0 0 0 0 0 0 0\n"
              " 254       0 {} {} 5 6 {} {} 8 9 {} {} 1 2 {} 0 0 0 {} {}\n 254       1 vda1 1 1 1 1 1 1 1 1 1 1 1\n",
              disk, reads, read_ms, writes, write_ms, in_flight, discards, flushes, flush_ms));
  }
};

test::CheckUnderTest check_on(const Machine& machine, Json given = Json::object()) {
  test::CheckUnderTest check("disk_latency", std::move(given));
  check.look_at(machine);
  return check;
}

}  // namespace

TEST_CASE("disk_latency: slow writes alarm in the second reading in a row") {
  Machine machine;
  machine.write_stats();
  auto check = check_on(machine);
  CHECK(check.read_one().severity == Severity::ok);
  const auto work = [&](std::int64_t writes, std::int64_t ms) {
    machine.writes += writes, machine.write_ms += ms;
    machine.write_stats();
    return check.read_one();
  };
  CHECK(work(100, 200).value == 0.002);
  CHECK(work(100, 2000).severity == Severity::ok);
  const Outcome slow = work(100, 2000);
  CHECK(slow.severity == Severity::warning);
  CHECK(slow.subject == "vda");
  CHECK(slow.value == 0.02);
  CHECK(work(100, 1999).severity == Severity::ok);
  CHECK(work(9, 60'000).severity == Severity::ok);  // too few to tell
  CHECK(work(100, 100).severity == Severity::ok);
}

TEST_CASE("disk_latency: reads and flushes count as well, and the slowest of them is the value") {
  Machine machine;
  machine.write_stats();
  auto check = check_on(machine, {{"await", 10 * kNsPerMs}});
  check.read();
  for (int i = 0; i < 2; ++i) {
    machine.reads += 100, machine.read_ms += 500, machine.flushes += 20, machine.flush_ms += 400;
    machine.write_stats();
    const Outcome outcome = check.read_one();
    CHECK(outcome.value == 0.02);
    CHECK(outcome.severity == (i == 0 ? Severity::ok : Severity::warning));
    CHECK(outcome.detail == "a request takes on average: read 5 ms, flush 20 ms; 0 wait");
  }
}

TEST_CASE("disk_latency: a time that wraps in 32 bits goes on, and counters that fell are started anew") {
  Machine machine;
  machine.write_ms = 4'294'967'000;
  machine.write_stats();
  auto check = check_on(machine);
  check.read();
  machine.writes += 100, machine.write_ms = 704;  // 1000 ms later
  machine.write_stats();
  CHECK(check.read_one().value == 0.01);
  machine.reads = machine.read_ms = machine.writes = machine.write_ms = 0;
  machine.write_stats();
  CHECK(check.read_one().detail == "hardly used");
}

TEST_CASE("disk_latency: requests that wait while none is done") {
  Machine machine;
  machine.write_stats();
  auto check = check_on(machine);
  check.read();
  machine.in_flight = 3;
  machine.write_stats();
  CHECK(check.read_one(5 * kNsPerS).severity == Severity::ok);
  CHECK(check.read_one(9 * kNsPerS).severity == Severity::ok);
  CHECK(check.read_one(1 * kNsPerS).severity == Severity::warning);
  const Outcome stuck = check.read_one(20 * kNsPerS);
  CHECK(stuck.severity == Severity::critical);
  CHECK(stuck.value == 30);
  machine.reads += 1;  // one was done: it moves
  machine.write_stats();
  CHECK(check.read_one().severity == Severity::ok);
  CHECK(check.read_one(9 * kNsPerS).severity == Severity::ok);
}

TEST_CASE("disk_latency: a disk that discards moves, and what is made of other disks is not said to hang") {
  Machine machine;
  machine.in_flight = 3;
  machine.write_stats();
  auto check = check_on(machine);
  for (int i = 0; i < 20; ++i) {
    CHECK(check.read_one(5 * kNsPerS).severity == Severity::ok);
    ++machine.discards;
    machine.write_stats();
  }
  machine.make_directory("sys/block/dm-0");
  machine.write_stats("dm-0");
  for (int i = 0; i < 20; ++i) CHECK(check.read_one(5 * kNsPerS).severity == Severity::ok);
}

TEST_CASE("disk_latency: a disk that turns may take longer, but not one of a virtual machine") {
  Machine machine;
  machine.write("sys/block/vda/queue/rotational", "1\n");
  const auto slow = [&] {
    auto check = check_on(machine);
    machine.write_stats();
    check.read();
    for (int i = 0; i < 2; ++i) {
      machine.writes += 100, machine.write_ms += 6000;
      machine.write_stats();
      check.read();
    }
    machine.writes += 100, machine.write_ms += 6000;
    machine.write_stats();
    return check.read_one().severity;
  };
  CHECK(slow() == Severity::ok);
  machine.write("proc/cpuinfo", "flags : fpu hypervisor\n");
  CHECK(slow() == Severity::warning);
}

TEST_CASE("disk_latency: which disks") {
  Machine machine;
  machine.write_stats();
  CHECK(check_on(machine, {{"disk", "vda1"}}).read_one().subject == "vda1");
  CHECK(check_on(machine, {{"disk", "sdz"}}).try_read().error().kind == ErrorKind::usage);
  machine.write_stats("../../x");
  CHECK(check_on(machine).read_one().not_here);
  machine.remove("proc");
  CHECK_FALSE(check_on(machine).try_read());
}

TEST_CASE("disk_latency: of many disks only the sick ones are named") {
  Machine machine;
  const auto write_disks = [&](std::int64_t slow_ms) {
    std::string text;
    for (int i = 0; i < 100; ++i) {
      machine.make_directory(fmt::format("sys/block/sd{}/device", i));
      text += fmt::format("8 {} sd{} {} 0 0 {} 0 0 0 0 0 0 0\n", i, i, slow_ms, i < 2 ? slow_ms * 100 : slow_ms);
    }
    machine.write("proc/diskstats", text);
  };
  auto check = check_on(machine);
  for (const std::int64_t ms : {100, 200, 300}) {
    write_disks(ms);
    const auto outcomes = check.read();
    CHECK(outcomes.size() == (ms == 300 ? 3 : 1));
    CHECK(outcomes.back().detail == (ms == 300 ? "98 of 100 disks are well" : "100 of 100 disks are well"));
  }
}

TEST_CASE("disk_latency: files that are not as they should be") {
  Machine machine;
  machine.write("proc/diskstats",
                "254 0 vda 1 2 3\n254 0 vda -1 0 0 0 0 0 0 0 0 0 0\n\xff\xfe\n254 0 vda 1 1 1 "
                "18446744073709551615 1 1 1 1 1 1 1\n254 0 vda 1 1 1 1 1 1 1 1 1 1 1");
  auto check = check_on(machine);
  CHECK(check.read_one().severity == Severity::ok);
}
