#include <cmath>
#include <numeric>
#include <random>

#include "analysis/stats/proportions.hpp"
#include "tests/catch.hpp"

using namespace grit;
using Catch::Matchers::WithinAbs;

namespace {

void check_share(int count, int of, double low, double high) {
  INFO(count << " of " << of);
  const Interval interval = clopper_pearson(count, of);
  CHECK_THAT(interval.low, WithinAbs(low, 6e-5));
  CHECK_THAT(interval.high, WithinAbs(high, 6e-5));
}

void check_mean(int count, double low, double high) {
  INFO(count);
  const Interval interval = garwood(count);
  CHECK_THAT(interval.low, WithinAbs(low, 6e-3));
  CHECK_THAT(interval.high, WithinAbs(high, 6e-3));
}

double binomial(int k, int n, double p) { return binomial_cdf(k, n, p) - (k > 0 ? binomial_cdf(k - 1, n, p) : 0); }

}  // namespace

TEST_CASE("the exact interval of a share is that of the tables") {
  check_share(0, 10, 0, 0.3085);
  check_share(10, 10, 0.6915, 1);
  check_share(9, 10, 0.5550, 0.9975);
  check_share(12, 12, 0.7354, 1);
  check_share(18, 20, 0.6830, 0.9877);
  check_share(20, 20, 0.8316, 1);
  check_share(29, 29, 0.8806, 1);
  check_share(40, 40, 0.9119, 1);
  check_share(36, 40, 0.7634, 0.9721);
  check_share(0, 0, 0, 1);
  CHECK_THAT(share_at_least(29, 29), WithinAbs(0.9019, 6e-5));
  CHECK(share_at_least(28, 28) < 0.9);
  CHECK_THAT(share_at_most(0, 29), WithinAbs(1 - 0.9019, 6e-5));
}

TEST_CASE("the interval of a share covers it in 95 of 100, whatever it is and however few there are") {
  for (const int n : {1, 2, 5, 10, 20, 29, 40}) {
    std::vector<Interval> intervals;
    for (int k = 0; k <= n; ++k) intervals.push_back(clopper_pearson(k, n));
    for (int percent = 0; percent <= 100; ++percent) {
      const double p = percent / 100.0;
      double covered = 0;
      for (int k = 0; k <= n; ++k)
        if (const Interval& interval = intervals[static_cast<std::size_t>(k)]; interval.low <= p && p <= interval.high)
          covered += binomial(k, n, p);
      INFO(n << " of " << p);
      CHECK(covered >= 0.95 - 1e-9);
    }
  }
}

TEST_CASE("the exact interval of a mean number is that of the tables") {
  check_mean(0, 0, 3.689);
  check_mean(1, 0.0253, 5.572);
  check_mean(2, 0.2422, 7.225);
  check_mean(3, 0.6187, 8.767);
  check_mean(5, 1.623, 11.67);
  check_mean(10, 4.795, 18.39);
  check_mean(20, 12.22, 30.89);
  CHECK_THAT(mean_at_most(0), WithinAbs(2.9957, 1e-4));
  CHECK_THAT(poisson_cdf(3, 2), WithinAbs(std::exp(-2.0) * (1 + 2 + 2 + 4.0 / 3), 1e-12));
  CHECK_THAT(poisson_cdf(1'000'000, 1'000'000), WithinAbs(0.5 + 0.000266, 1e-5));
  CHECK(poisson_cdf(0, 5000) == Approx(0).margin(1e-300));
}

TEST_CASE("the interval of a mean number covers it in 95 of 100, whatever it is") {
  std::vector<Interval> intervals;
  for (int k = 0; k <= 140; ++k) intervals.push_back(garwood(k));
  for (int hundredths = 1; hundredths <= 5000; hundredths += hundredths < 500 ? 1 : 50) {
    const double mean = hundredths / 100.0;
    double covered = 0;
    for (int k = 0; k <= 140; ++k)
      if (const Interval& interval = intervals[static_cast<std::size_t>(k)];
          interval.low <= mean && mean <= interval.high)
        covered += poisson_cdf(k, mean) - poisson_cdf(k - 1, mean);
    INFO(mean);
    REQUIRE(covered >= 0.95 - 1e-9);
  }
}

TEST_CASE("more often than by chance") {
  // Fisher's tea: all four of four, with four others wrong: 1 of 70; three of four: 17 of 70.
  CHECK_THAT(fisher_more(4, 4, 0, 4), WithinAbs(1.0 / 70, 1e-12));
  CHECK_THAT(fisher_more(3, 4, 1, 4), WithinAbs(17.0 / 70, 1e-12));
  CHECK_THAT(fisher_more(3, 3, 0, 100), WithinAbs(5.65e-6, 5e-8));
  CHECK_THAT(fisher_more(2, 2, 0, 20), WithinAbs(1.0 / 231, 1e-12));
  CHECK(fisher_more(0, 10, 5, 10) == Approx(1));
  CHECK(fisher_more(10, 10, 10, 10) == Approx(1));
  CHECK(fisher_more(0, 0, 3, 10) == Approx(1));
}

TEST_CASE("of several tests each p is corrected by those that are still in question") {
  const std::vector<double> p{0.03, 0.005, 0.9, 0.02};
  const std::vector<double> adjusted = holm(p);
  CHECK(adjusted[1] == Approx(0.02));
  CHECK(adjusted[3] == Approx(0.06));
  CHECK(adjusted[0] == Approx(0.06));
  CHECK(adjusted[2] == Approx(0.9));
  CHECK(holm(std::vector<double>{}).empty());
}

TEST_CASE("chi-square agrees with the tables") {
  // Abramowitz and Stegun, table 26.8.
  CHECK_THAT(chi_square_above(3.84146, 1), WithinAbs(0.05, 1e-6));
  CHECK_THAT(chi_square_above(5.99146, 2), WithinAbs(0.05, 1e-6));
  CHECK_THAT(chi_square_above(18.3070, 10), WithinAbs(0.05, 1e-6));
  CHECK_THAT(chi_square_above(42.5570, 29), WithinAbs(0.05, 1e-6));
  CHECK(chi_square_above(0, 5) == 1);
}

TEST_CASE("events that come in bursts are told from those that come alone") {
  std::mt19937_64 random(5);
  std::poisson_distribution<int> alone(0.5), bursts(0.1);
  int said = 0;
  for (int run = 0; run < 200; ++run) {
    std::vector<int> single, clustered;
    for (int bin = 0; bin < 100; ++bin) single.push_back(alone(random)), clustered.push_back(5 * bursts(random));
    const auto test = [](const std::vector<int>& counts) {
      const double mean = std::accumulate(counts.begin(), counts.end(), 0.0) / static_cast<double>(counts.size());
      return dispersion(counts, std::vector<double>(counts.size(), mean));
    };
    said += test(single).p < 0.05 ? 1 : 0;
    CHECK(test(clustered).p < 0.05);
    CHECK(test(clustered).index > 2);
  }
  CHECK(said <= 20);
  CHECK(said >= 2);
  CHECK(dispersion(std::vector<int>{3}, std::vector<double>{3}).p == 1);
}
