#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "analysis/stats/sign_flip.hpp"
#include "tests/catch.hpp"
#include "tests/simulated_checks.hpp"

using grit::SignFlipTest;

namespace {

double brute_force_p(const std::vector<double>& d, double theta) {
  double observed = 0;
  for (const double x : d) observed += x - theta;
  const std::uint32_t patterns = 1U << d.size();
  int extreme = 0;
  for (std::uint32_t pattern = 0; pattern < patterns; ++pattern) {
    double sum = 0;
    for (std::size_t i = 0; i < d.size(); ++i) sum += ((pattern >> i) & 1U) != 0 ? theta - d[i] : d[i] - theta;
    if (std::abs(sum) >= std::abs(observed) - 1e-12) ++extreme;
  }
  return static_cast<double>(extreme) / patterns;
}

/// Hartigan (1969): the bounds are order statistics of the means of all non-empty subsets.
std::vector<double> sorted_subset_means(const std::vector<double>& d) {
  std::vector<double> means;
  for (std::uint32_t subset = 1; subset < (1U << d.size()); ++subset) {
    double sum = 0;
    int members = 0;
    for (std::size_t i = 0; i < d.size(); ++i)
      if (((subset >> i) & 1U) != 0) sum += d[i], ++members;
    means.push_back(sum / members);
  }
  std::sort(means.begin(), means.end());
  return means;
}

std::vector<double> normal_sample(std::mt19937_64& random, std::size_t n, double location) {
  std::normal_distribution<double> noise(location, 1.0);
  std::vector<double> sample(n);
  for (double& x : sample) x = noise(random);
  return sample;
}

}  // namespace

TEST_CASE("p of the sign-flip test in cases counted by hand") {
  // All of one sign: only the pattern itself and its mirror image are as extreme.
  CHECK(SignFlipTest(std::vector<double>{1, 2, 3, 4, 5, 6, 7, 8}).p_value() == Approx(2.0 / 256));
  CHECK(SignFlipTest(std::vector<double>{-1, -2, -3, -4, -5, -6}).p_value() == Approx(2.0 / 64));
  // {1, 2, 3}: sums of all patterns are +-6, +-4, +-2, 0, 0. With 1 flipped the sum is 4: four of eight are as extreme.
  CHECK(SignFlipTest(std::vector<double>{-1, 2, 3}).p_value() == Approx(4.0 / 8));
  // {1, -1}: the sum is 0 and every pattern is at least as extreme.
  CHECK(SignFlipTest(std::vector<double>{1, -1}).p_value() == Approx(1.0));
  CHECK(SignFlipTest(std::vector<double>{0, 0, 0, 0}).p_value() == Approx(1.0));
  CHECK(SignFlipTest(std::vector<double>{3}).p_value() == Approx(1.0));
  // Ties: {1, 1, 1, -1} sums to 2; |sum| >= 2 in all but the six patterns with two signs each: 10 of 16.
  CHECK(SignFlipTest(std::vector<double>{1, 1, 1, -1}).p_value() == Approx(10.0 / 16));
  // Equal values that are not exact in binary still tie.
  CHECK(SignFlipTest(std::vector<double>{0.1, 0.1, 0.1, -0.1}).p_value() == Approx(10.0 / 16));
}

TEST_CASE("p equals the count over all patterns, at any theta") {
  std::mt19937_64 random(1);
  for (std::size_t n = 2; n <= 12; ++n) {
    const auto d = normal_sample(random, n, 0.4);
    for (const double theta : {-0.7, 0.0, 0.3, 2.5}) {
      INFO("n " << n << " theta " << theta);
      CHECK(SignFlipTest(d).p_value(theta) == Approx(brute_force_p(d, theta)));
    }
  }
}

TEST_CASE("confidence bounds are the order statistics of the subset means") {
  std::mt19937_64 random(2);
  for (std::size_t n = 6; n <= 12; ++n) {
    const auto d = normal_sample(random, n, 1.0);
    const auto means = sorted_subset_means(d);
    for (const double alpha : {0.05, 0.1, 0.2}) {
      const auto k = static_cast<std::size_t>(std::floor(alpha / 2 * static_cast<double>(means.size() + 1)));
      const auto interval = SignFlipTest(d).confidence_interval(alpha);
      REQUIRE(interval.has_value());
      INFO("n " << n << " alpha " << alpha);
      CHECK(interval->low == Approx(means[k - 1]).margin(1e-9));
      CHECK(interval->high == Approx(means[means.size() - k]).margin(1e-9));
    }
  }
}

TEST_CASE("interval and p agree: theta is inside just when it is not rejected", "[statistics]") {
  std::mt19937_64 random(3);
  for (const std::size_t n : {6U, 8U, 13U, 32U, 40U}) {
    const SignFlipTest test(normal_sample(random, n, 0.5));
    const auto interval = test.confidence_interval(0.05);
    REQUIRE(interval.has_value());
    const double width = interval->high - interval->low;
    INFO("n " << n);
    CHECK(test.p_value(interval->low - 1e-6 * width) <= 0.05);
    CHECK(test.p_value(interval->high + 1e-6 * width) <= 0.05);
    CHECK(test.p_value(interval->low + 1e-6 * width) > 0.05);
    CHECK(test.p_value(interval->high - 1e-6 * width) > 0.05);
  }
}

TEST_CASE("too few differences give no interval") {
  CHECK_FALSE(SignFlipTest(std::vector<double>{1, 2, 3, 4, 5}).confidence_interval(0.05).has_value());
  CHECK(SignFlipTest(std::vector<double>{1, 2, 3, 4, 5, 6}).confidence_interval(0.05).has_value());
  CHECK_FALSE(SignFlipTest(std::vector<double>{1, 2, 3, 4, 5, 6}).confidence_interval(0.025).has_value());
  CHECK(SignFlipTest(std::vector<double>{1, 2, 3, 4, 5, 6, 7}).confidence_interval(0.025).has_value());
}

TEST_CASE("drawn patterns come close to the exact p and are repeatable") {
  std::mt19937_64 random(4);
  auto d = normal_sample(random, SignFlipTest::kExactLimit, 0.3);
  const double exact = SignFlipTest(d).p_value();
  d.push_back(0);  // a zero changes no sum, so p stays; but now patterns are drawn
  const double drawn = SignFlipTest(d).p_value();
  REQUIRE(exact > 0.001);
  const double share_sd = std::sqrt(exact / 2 / 131072);
  CHECK(std::abs(drawn - exact) < 2 * 5 * share_sd);
  CHECK(SignFlipTest(d).p_value() == drawn);
  // A p is never 0: the observed pattern is one of those counted.
  const std::vector<double> all_positive(50, 1.0);
  CHECK(SignFlipTest(all_positive).p_value() > 0);
  CHECK(SignFlipTest(all_positive).p_value() < 1e-4);
}

TEST_CASE("Hodges-Lehmann is the median of the Walsh averages") {
  // Walsh averages of {1, 2, 6}: 1, 1.5, 3.5, 2, 4, 6 -> sorted 1 1.5 2 3.5 4 6.
  CHECK(grit::hodges_lehmann(std::vector<double>{1, 2, 6}) == Approx(2.75));
  CHECK(grit::hodges_lehmann(std::vector<double>{5}) == Approx(5));
  std::mt19937_64 random(5);
  for (std::size_t n = 2; n <= 15; ++n) {
    const auto d = normal_sample(random, n, 0);
    // Brute force without sorting: the value that as many averages exceed as fall below.
    std::vector<double> walsh;
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j <= i; ++j) walsh.push_back(d[i] / 2 + d[j] / 2);
    const double estimate = grit::hodges_lehmann(d);
    const auto above = std::count_if(walsh.begin(), walsh.end(), [&](double w) { return w > estimate + 1e-12; });
    const auto below = std::count_if(walsh.begin(), walsh.end(), [&](double w) { return w < estimate - 1e-12; });
    CHECK(above == below);
  }
  // One wild value among eight does not carry it away.
  CHECK(grit::hodges_lehmann(std::vector<double>{1, 1.1, 0.9, 1.05, 0.95, 1, 1, 1000}) < 1.2);
}

TEST_CASE("among many rows the p of each counts all of them") {
  const std::vector<double> always(8, 0.5), never(8, 0.0), once{0.2, 0, 0, 0, 0, 0, 0, 0};
  std::vector<double> all = grit::p_among_all({always});
  CHECK(all[0] == 1.0 / 256);
  all = grit::p_among_all({never, once, always});
  CHECK(all[0] == 1);
  CHECK(all[1] > 0.25);  // one pair decides nothing
  CHECK(all[2] == 1.0 / 256);
  const std::vector<std::vector<double>> alike(50, always);
  CHECK(grit::p_among_all(alike)[7] == 1.0 / 256);  // the same coins decided all of them
  CHECK(grit::p_among_all({{-0.5, -0.5, -0.5, -0.5, -0.5, -0.5}})[0] == 1);
  CHECK(grit::p_among_all({std::vector<double>(20, 1.0)})[0] <= 2.0 / 4096);
  CHECK(grit::p_among_all({}).empty());
}

TEST_CASE("checks that fail now and then are seldom said to fail more often under the fault, one that does is",
          "[statistics]") {
  using grit::testing::Checks;
  const auto shown = [](const Checks& settings) {
    std::mt19937_64 random(41);
    int runs = 0;
    for (int i = 0; i < 200; ++i) {
      const auto p = grit::p_among_all(grit::testing::simulate_checks(random, settings));
      runs += *std::min_element(p.begin(), p.end()) <= 0.05 ? 1 : 0;
    }
    return runs;
  };
  constexpr int kMost = 19;  // of 200 at 5 %, three standard errors above
  CHECK(shown({}) <= kMost);
  CHECK(shown({.checks = 32, .fails = 0.2}) <= kMost);
  CHECK(shown({.fails = 0.2, .spells = true}) <= kMost);
  CHECK(shown({.fails = 0.2, .spells = true, .common = true}) <= kMost);
  CHECK(shown({.checks = 32, .harm = 0.7}) >= 190);
}
