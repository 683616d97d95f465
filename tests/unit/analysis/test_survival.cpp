#include <cmath>
#include <random>

#include "analysis/stats/survival.hpp"
#include "tests/catch.hpp"

using namespace grit;

namespace {

/// Those that came at these times, and as many that were looked at as long as `watched` in vain.
std::vector<Waited> came(const std::vector<double>& times, int never = 0, double watched = 10) {
  std::vector<Waited> all;
  for (const double time : times) all.push_back({time, true});
  for (int i = 0; i < never; ++i) all.push_back({watched, false});
  return all;
}

}  // namespace

TEST_CASE("the median counts those that never came") {
  CHECK(waited_median(came({3, 1, 2})).median == 2);
  CHECK(waited_median(came({1, 2, 3, 4})).median == 2);  // by then half had come
  CHECK(waited_median(came({1, 2, 3}, 2)).median == 3);
  CHECK_FALSE(waited_median(came({1, 2}, 3)).median);
  CHECK_FALSE(waited_median({}).median);
}

TEST_CASE("the interval is the sign test's when all were looked at as long, and too few have none") {
  CHECK_FALSE(waited_median(came({1, 2, 3, 4, 5})).interval);
  const auto six = waited_median(came({1, 2, 3, 4, 5, 6})).interval;
  REQUIRE(six);
  CHECK(six->low == 1);
  CHECK(six->high == 6);
  const auto some = waited_median(came({1, 2, 3, 4, 5, 6, 7}, 3)).interval;  // 2nd to 9th of 10
  REQUIRE(some);
  CHECK(some->low == 2);
  CHECK(std::isinf(some->high));
  const auto none = waited_median(came({}, 8)).interval;  // later than anybody looked
  REQUIRE(none);
  CHECK(none->low == 10);
  CHECK(std::isinf(none->high));
}

TEST_CASE("those who were given up early count as long as they were looked at") {
  // Times of remission under 6-mercaptopurine (E. J. Freireich et al., Blood 21, 1963), a plus for those that ended
  // without relapse: the curve passes one half at 23 weeks.
  std::vector<Waited> waited;
  for (const double time : {6, 6, 6, 7, 10, 13, 16, 22, 23}) waited.push_back({time, true});
  for (const double time : {6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35}) waited.push_back({time, false});
  const WaitedMedian result = waited_median(waited);
  REQUIRE(result.median);
  CHECK(*result.median == 23);
  REQUIRE(result.interval);
  CHECK(result.interval->low == 13);
  CHECK(std::isinf(result.interval->high));
}

TEST_CASE("the interval holds the median in 95 of 100, also where some are given up at random", "[statistics]") {
  std::mt19937_64 random(11);
  std::exponential_distribution<double> time(std::log(2.0));  // its median is 1
  std::uniform_real_distribution<double> patience(0.5, 5);
  constexpr int kRuns = 2000;
  int common = 0, early = 0;
  const auto holds = [](const std::optional<Interval>& interval) {
    return interval && interval->low <= 1 && 1 <= interval->high;
  };
  for (int run = 0; run < kRuns; ++run) {
    std::vector<Waited> same, random_ends;
    for (int i = 0; i < 30; ++i) {
      const double came_at = time(random), ends = patience(random);
      same.push_back({std::min(came_at, 3.0), came_at <= 3});
      random_ends.push_back({std::min(came_at, ends), came_at <= ends});
    }
    common += holds(waited_median(same).interval) ? 1 : 0;
    early += holds(waited_median(random_ends).interval) ? 1 : 0;
  }
  CHECK(common >= 0.95 * kRuns);
  CHECK(early >= 0.93 * kRuns);  // an approximation
}
