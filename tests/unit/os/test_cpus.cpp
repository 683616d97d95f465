#include <time.h>

#include "harness/base/clock.hpp"
#include "harness/os/cpus.hpp"
#include "tests/namespace.hpp"

using namespace grit;
using grit::test::ok;

TEST_CASE("lists of CPUs are read and written as the kernel does") {
  CHECK(ok(cpus_from_list("0-3,8\n")) == Cpus{0, 1, 2, 3, 8});
  CHECK(ok(cpus_from_list("5")) == Cpus{5});
  CHECK(ok(cpus_from_list("2,0-1,1")) == Cpus{0, 1, 2});
  for (const char* wrong : {"", ",", "1,", "a", "3-1", "-1", "1-", "0x1", "1 2", "99999999"}) {
    INFO(wrong);
    CHECK_FALSE(cpus_from_list(wrong).has_value());
  }
  CHECK(to_list({0, 1, 2, 3, 8}) == "0-3,8");
  CHECK(to_list({7}) == "7");
  CHECK(to_list({}).empty());
}

TEST_CASE("a thread's affinity is what was set, and what cannot be set is an error in words") {
  const Cpus before = ok(affinity_of_thread(0));
  const Cpus online = ok(online_cpus());
  REQUIRE_FALSE(before.empty());
  CHECK(std::includes(online.begin(), online.end(), before.begin(), before.end()));
  ok(set_affinity_of_thread(0, {before.back()}));
  CHECK(ok(affinity_of_thread(0)) == Cpus{before.back()});
  CHECK_FALSE(set_affinity_of_thread(0, {8000}).has_value());
  CHECK(ok(affinity_of_thread(0)) == Cpus{before.back()});
  ok(set_affinity_of_thread(0, before));
}

TEST_CASE("the CPUs that a bound thread could be given are its cpuset's, and it stays bound") {
  const Cpus before = ok(affinity_of_thread(0));
  const Cpus allowed = ok(allowed_cpus());
  CHECK(std::includes(allowed.begin(), allowed.end(), before.begin(), before.end()));
  ok(set_affinity_of_thread(0, {before.front()}));
  CHECK(ok(allowed_cpus()) == allowed);
  CHECK(ok(affinity_of_thread(0)) == Cpus{before.front()});
  ok(set_affinity_of_thread(0, before));
}

TEST_CASE("beside the ranks' cores, or anywhere when they have all") {
  CHECK(cpus_beside({0, 1, 2, 3}, {{0}, {2}}) == Cpus{1, 3});
  CHECK(cpus_beside({0, 1}, {{0}, {1}}) == Cpus{0, 1});
  CHECK(cpus_beside({0, 1}, {{0, 1}}) == Cpus{0, 1});
  CHECK(cpus_beside({4, 5}, {}) == Cpus{4, 5});
}

TEST_CASE("the time that CPUs are busy grows by what this process takes") {
  const std::int64_t busy_ns = ok(read_cpu_times()).busy_ns;
  const auto own_ns = [] {
    timespec time{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return std::int64_t{time.tv_sec} * kNsPerS + time.tv_nsec;
  };
  const std::int64_t taken_ns = own_ns() + 300 * kNsPerMs;
  while (own_ns() < taken_ns) {
  }
  CHECK(ok(read_cpu_times()).busy_ns - busy_ns >= 150 * kNsPerMs);  // counted in ticks
}

TEST_CASE("stolen time is part of the busy time, and a clock is one of a CPU or is not known") {
  const CpuTimes times = ok(read_cpu_times());
  CHECK(times.steal_ns >= 0);
  CHECK(times.steal_ns <= times.busy_ns);
  if (const auto clock_hz = read_cpu_clock_hz()) {
    CHECK(*clock_hz > 100'000'000);
    CHECK(*clock_hz < 20'000'000'000);
  } else {
    CHECK(clock_hz.error().kind == ErrorKind::unavailable);
  }
}
