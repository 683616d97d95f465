#include <bit>
#include <cmath>
#include <numeric>
#include <random>

#include "analysis/stats/two_samples.hpp"
#include "tests/catch.hpp"

using namespace grit;
using Catch::Matchers::WithinAbs;

namespace {

std::vector<double> sample(std::mt19937_64& random, int count, double mean, double deviation = 1) {
  std::normal_distribution<double> normal(mean, deviation);
  std::vector<double> values;
  for (int i = 0; i < count; ++i) values.push_back(normal(random));
  return values;
}

/// Two-sided p of a shift by its definition: every division of the moved values, one by one.
double p_by_definition(const std::vector<double>& before, std::vector<double> after, double theta) {
  for (double& value : after) value -= theta;
  std::vector<double> pooled = before;
  pooled.insert(pooled.end(), after.begin(), after.end());
  const auto difference = [&](unsigned chosen) {
    double in = 0, out = 0;
    for (std::size_t i = 0; i < pooled.size(); ++i) ((chosen >> i & 1U) != 0 ? in : out) += pooled[i];
    return in / static_cast<double>(after.size()) - out / static_cast<double>(before.size());
  };
  const unsigned real = ((1U << pooled.size()) - 1) & ~((1U << before.size()) - 1);
  int all = 0, above = 0, below = 0;
  for (unsigned chosen = 0; chosen < 1U << pooled.size(); ++chosen) {
    if (static_cast<std::size_t>(std::popcount(chosen)) != after.size()) continue;
    ++all;
    above += difference(chosen) >= difference(real) - 1e-12 ? 1 : 0;
    below += difference(chosen) <= difference(real) + 1e-12 ? 1 : 0;
  }
  return std::min(1.0, 2.0 * std::min(above, below) / all);
}

}  // namespace

TEST_CASE("Student's t agrees with the tables") {
  // Abramowitz and Stegun, table 26.10: t for a two-sided 0.05 and 0.01.
  CHECK_THAT(student_t_critical(0.05, 1), WithinAbs(12.706, 5e-4));
  CHECK_THAT(student_t_critical(0.05, 4), WithinAbs(2.776, 5e-4));
  CHECK_THAT(student_t_critical(0.01, 10), WithinAbs(3.169, 5e-4));
  CHECK_THAT(student_t_critical(0.05, 120), WithinAbs(1.980, 5e-4));
  CHECK_THAT(student_t_two_sided_p(2.776445, 4), WithinAbs(0.05, 1e-6));
  CHECK_THAT(student_t_two_sided_p(0, 3), WithinAbs(1, 1e-12));
}

TEST_CASE("Welch's test of a textbook example") {
  // B. L. Welch's statistic by hand: means 10 and 14, variances 4 and 16 of 4 and 5 values: 4 / sqrt(1 + 3.2), and
  // Satterthwaite's 4.2^2 / (1/3 + 3.2^2/4).
  const double a = std::sqrt(3.0), b = 4 * std::sqrt(2.0);
  const std::vector<double> before{10 - a, 10 + a, 10 - a, 10 + a};
  const std::vector<double> after{14 - b, 14 + b, 14, 14, 14};
  const auto test = t_test(before, after, 0.05);
  REQUIRE(test.has_value());
  CHECK_THAT(test->estimate, WithinAbs(4, 1e-12));
  CHECK_THAT(test->standard_error, WithinAbs(std::sqrt(4.2), 1e-12));
  CHECK_THAT(test->degrees_of_freedom, WithinAbs(17.64 / (1.0 / 3 + 2.56), 1e-9));
  CHECK_THAT(student_t_two_sided_p(4 / std::sqrt(4.2), test->degrees_of_freedom), WithinAbs(test->p, 1e-12));
  CHECK(test->interval.low < 0);
  CHECK(test->interval.high > 8);
}

TEST_CASE("a single value is held against the spread of the others") {
  const std::vector<double> before{1, 2, 3, 4, 5}, after{9};
  const auto test = t_test(before, after, 0.05);
  REQUIRE(test.has_value());
  CHECK(test->degrees_of_freedom == 4);
  CHECK_THAT(test->standard_error, WithinAbs(std::sqrt(2.5 * 1.2), 1e-12));
  CHECK_FALSE(t_test(std::vector<double>{1}, after, 0.05).has_value());
}

TEST_CASE("the permutation test counts what its definition counts") {
  std::mt19937_64 random(5);
  for (const auto& [n, m] : {std::pair{4, 4}, std::pair{3, 5}, std::pair{2, 6}, std::pair{5, 4}}) {
    const auto before = sample(random, n, 0), after = sample(random, m, 0.7);
    const PermutationTest test(before, after);
    for (const double theta : {-1.3, 0.0, 0.2, 0.7, 1.9})
      CHECK_THAT(test.p_value(theta), WithinAbs(p_by_definition(before, after, theta), 1e-12));
  }
  CHECK(divisions(4, 4) == 70);
  CHECK(divisions(3, 3) == 20);
  CHECK(divisions(10, 10) == 184756);
}

TEST_CASE("the permutation interval holds the shifts that are not rejected, and no others") {
  std::mt19937_64 random(6);
  const auto before = sample(random, 5, 0), after = sample(random, 5, 2);
  const PermutationTest test(before, after);
  const auto interval = test.confidence_interval(0.05);
  REQUIRE(interval.has_value());
  CHECK(test.p_value(interval->low + 1e-6) > 0.05);
  CHECK(test.p_value(interval->low - 1e-6) <= 0.05);
  CHECK(test.p_value(interval->high - 1e-6) > 0.05);
  CHECK(test.p_value(interval->high + 1e-6) <= 0.05);
  CHECK_FALSE(PermutationTest(sample(random, 3, 0), sample(random, 3, 9)).confidence_interval(0.05).has_value());
}

TEST_CASE("equal values are equal however they are added up") {
  const std::vector<double> same(4, 0.1 + 0.2);
  const PermutationTest test(same, same);
  CHECK(test.p_value() == 1);
}

TEST_CASE("with many values divisions are drawn, and still agree with t") {
  std::mt19937_64 random(7);
  const auto before = sample(random, 30, 0), after = sample(random, 30, 0.6);
  const PermutationTest test(before, after);
  const auto t = t_test(before, after, 0.05);
  CHECK_THAT(test.p_value(), WithinAbs(t->p, 0.01));
  CHECK_THAT(test.confidence_interval(0.05)->low, WithinAbs(t->interval.low, 0.06));
}

TEST_CASE("both tests reject a true hypothesis about as often as they say", "[statistics]") {
  std::mt19937_64 random(8);
  constexpr int kSamples = 2000;
  int by_permutation = 0, covered = 0, by_t = 0, by_single = 0;
  for (int i = 0; i < kSamples; ++i) {
    const auto before = sample(random, 4, 0), after = sample(random, 4, 1);
    const PermutationTest test(before, after);
    by_permutation += test.p_value(1) <= 0.05 ? 1 : 0;
    const auto interval = test.confidence_interval(0.05);
    covered += interval->low <= 1 && 1 <= interval->high ? 1 : 0;
    by_t += t_test(sample(random, 3, 0), sample(random, 2, 0), 0.05)->p <= 0.05 ? 1 : 0;
    by_single += t_test(sample(random, 5, 0), sample(random, 1, 0), 0.05)->p <= 0.05 ? 1 : 0;
  }
  // Of 4 + 4 the level is 2/70 = 0.029; three standard errors are about 0.011.
  CHECK_THAT(static_cast<double>(by_permutation) / kSamples, WithinAbs(2.0 / 70, 0.0115));
  CHECK(covered >= 0.95 * kSamples);
  CHECK(by_t <= 0.06 * kSamples);  // Welch's is approximate, and errs on the safe side for so few
  CHECK_THAT(static_cast<double>(by_single) / kSamples, WithinAbs(0.05, 0.015));
}
