#include <cmath>
#include <limits>
#include <random>

#include "analysis/stats/median_interval.hpp"
#include "tests/catch.hpp"

using grit::at_most_heads;
using grit::median_interval;

TEST_CASE("coins fall as coins do") {
  CHECK(at_most_heads(0, 8) == Approx(1.0 / 256));
  CHECK(at_most_heads(1, 8) == Approx(9.0 / 256));
  CHECK(at_most_heads(8, 8) == Approx(1));
  CHECK(at_most_heads(499, 1000) == Approx(0.4874).margin(1e-3));
}

TEST_CASE("the interval of a median goes from one value to another, and of too few there is none") {
  const double never = std::numeric_limits<double>::infinity();
  CHECK_FALSE(median_interval({1, 2, 3, 4}, 0.05));
  const auto five = median_interval({5, 1, 4, 2, 3}, 0.05);
  REQUIRE(five);
  CHECK(five->low == 1);
  CHECK(five->high == 5);
  const auto eight = median_interval({8, 7, 6, 5, 4, 3, 2, 1}, 0.05);
  REQUIRE(eight);
  CHECK(eight->low == 2);
  CHECK(eight->high == 7);
  CHECK(median_interval({8, 7, 6, 5, 4, 3, 2, 1}, 0.025)->high == 8);
  const auto some_never = median_interval({1, 1, 1, 1, 1, 1, never, never}, 0.05);
  REQUIRE(some_never);
  CHECK(some_never->low == 1);
  CHECK(some_never->high == never);
}

TEST_CASE("each end is on the wrong side as seldom as it claims, whatever the distribution") {
  constexpr int kRepetitions = 4000;
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> skewed(0, 2);  // its median is 1
  int above = 0, below = 0;
  for (int i = 0; i < kRepetitions; ++i) {
    std::vector<double> values(12);
    for (double& value : values) value = skewed(random);
    const auto interval = median_interval(values, 0.05);
    REQUIRE(interval);
    above += interval->low > 1 ? 1 : 0;
    below += interval->high < 1 ? 1 : 0;
  }
  const double most = kRepetitions * 0.05 + 3 * std::sqrt(kRepetitions * 0.05 * 0.95);
  CHECK(above < most);
  CHECK(below < most);
  CHECK(above + below > 0);
}
