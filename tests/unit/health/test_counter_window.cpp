#include "harness/base/clock.hpp"
#include "harness/health/checks/counter_window.hpp"
#include "tests/namespace.hpp"

using namespace grit;

TEST_CASE("a window of counters is as long as asked for, and over what there is before that") {
  CheckMemory memory;
  std::int64_t now_ns = 0, counter = 100;
  const auto read = [&](std::int64_t after_ns, std::int64_t growth) {
    memory.begin(now_ns += after_ns);
    return counter_window(memory, "it", {counter += growth, 7}, 4 * kNsPerS);
  };
  REQUIRE_FALSE(read(kNsPerS, 0));
  REQUIRE_FALSE(read(kNsPerS / 4, 1));  // too short to say anything
  const auto short_one = read(3 * kNsPerS / 4, 2);
  REQUIRE(short_one);
  REQUIRE(short_one->elapsed_ns == kNsPerS);
  REQUIRE(short_one->grown == std::vector<std::int64_t>{3, 0});
  REQUIRE(read(3 * kNsPerS, 4)->grown.front() == 7);  // four seconds: from here on the next one counts
  const auto after = read(kNsPerMs, 0);               // the end of a block right after a reading
  REQUIRE(after->elapsed_ns == 4 * kNsPerS + kNsPerMs);
  REQUIRE(after->grown.front() == 7);
  const auto steady = read(4 * kNsPerS, 5);
  REQUIRE(steady->elapsed_ns == 4 * kNsPerS + kNsPerMs);
  REQUIRE(steady->grown.front() == 5);
  REQUIRE_FALSE(read(4 * kNsPerS, -50));  // started anew: how much it lost is not known
  REQUIRE(read(kNsPerS, 3)->grown.front() == 3);
  memory.clear();
  REQUIRE_FALSE(read(kNsPerS, 1));
}

TEST_CASE("how long something holds is counted from its first reading, and anew after it was not so") {
  CheckMemory memory;
  const auto held = [&](std::int64_t now_ns, bool is_so) {
    memory.begin(now_ns);
    return held_ns(memory, "it", is_so);
  };
  REQUIRE(held(10, true) == 0);
  REQUIRE(held(25, true) == 15);
  REQUIRE(held(30, false) == 0);
  REQUIRE(held(40, true) == 0);
  REQUIRE(held(41, true) == 1);
}
