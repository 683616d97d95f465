// Which of many stands out: less the middle of the others, and beyond what chance does.
#include <cmath>
#include <random>

#include "analysis/stats/median.hpp"
#include "analysis/stats/noise_floor.hpp"
#include "tests/catch.hpp"

using namespace grit;

TEST_CASE("each value less the median of all others") {
  std::mt19937_64 random(4);
  for (const std::size_t count : {2U, 3U, 4U, 7U, 10U})
    for (int run = 0; run < 20; ++run) {
      std::vector<double> values;
      for (std::size_t i = 0; i < count; ++i) values.push_back(static_cast<double>(random() % 6));  // with ties
      const auto less = less_others(values, std::vector<double>(count, 0.25));
      for (std::size_t i = 0; i < count; ++i) {
        std::vector<double> others = values;
        others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
        CHECK(less[i] == values[i] - median(others));
      }
    }
  CHECK(less_others({7}, {1}) == std::vector<double>{0});
  CHECK(less_others({}, {}).empty());
}

TEST_CASE("others count by their weight") {
  // Three ranks of one node are together as much as the one of another.
  const std::vector<double> values{0, 0, 10, 10, 10, 0}, weights{1, 1, 1.0 / 3, 1.0 / 3, 1.0 / 3, 1};
  CHECK(less_others(values, weights) == std::vector<double>{0, 0, 10, 10, 10, 0});
}

TEST_CASE("the median is off by more than is said in one of twenty samples") {
  std::mt19937_64 random(8);
  std::normal_distribution<double> normal{0, 1};
  int off = 0;
  for (int run = 0; run < 2000; ++run) {
    std::vector<double> values;
    for (int i = 0; i < 30; ++i) values.push_back(normal(random));
    off += std::abs(median(values)) > median_error(values) ? 1 : 0;
  }
  CHECK(off > 40);
  CHECK(off < 200);
  CHECK(median_error({}) == 0);
  CHECK(median_error({3, 3, 3}) == 0);
}

TEST_CASE("one difference that is far larger than the others is limited, its sign kept") {
  CHECK(limited({1, 1, -50, 1}) == std::vector<double>{1, 1, -2, 1});
  CHECK(limited({3, -3, 3}) == std::vector<double>{3, -3, 3});
  CHECK(limited({}).empty());
}
