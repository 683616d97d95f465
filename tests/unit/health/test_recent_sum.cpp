#include "harness/base/clock.hpp"
#include "harness/health/checks/recent_sum.hpp"
#include "tests/catch.hpp"

using namespace grit;

TEST_CASE("a recent sum forgets what is older than its time, and not before") {
  constexpr std::int64_t kMinute_ns = 60 * kNsPerS;
  CheckMemory memory;
  const auto at = [&](std::int64_t s) {
    memory.begin(s * kNsPerS);
    return RecentSum(memory, "eth0 losses", kMinute_ns);
  };
  REQUIRE(at(1000).sum() == 0);
  at(1000).add(5);
  at(1000).add(2);
  at(1030).add(1);
  REQUIRE(at(1060).sum() == 8);
  REQUIRE(at(1061).sum() == 1);
  REQUIRE(at(1090).sum() == 1);
  REQUIRE(at(1091).sum() == 0);
  at(1091).add(4);  // where that of 1030 was
  REQUIRE(at(1092).sum() == 4);
  REQUIRE(RecentSum(memory, "another", kMinute_ns).sum() == 0);
}
