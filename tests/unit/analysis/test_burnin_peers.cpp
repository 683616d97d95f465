// How far is further than peers are: the gap below what is slow, and the two tails that accuse and clear.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <vector>

#include "analysis/burnin/peers.hpp"
#include "analysis/stats/proportions.hpp"
#include "tests/catch.hpp"

using namespace grit;
using Catch::Matchers::WithinRel;

namespace {

/// The largest `top` of `count` values of a power law, all others being on the better side: by A. Renyi's
/// representation.
std::vector<double> power_law(std::mt19937_64& random, std::size_t count, std::size_t top, double index) {
  std::exponential_distribution<double> exponential(1);
  std::vector<double> values(count, -1.0);
  double logarithm = 0;
  for (std::size_t i = top; i-- > 0;) {
    values[i] = std::exp(logarithm / index);
    if (i > 0) logarithm += exponential(random) / static_cast<double>(i);
  }
  return values;
}

/// A normal fleet of which the first ones are that much further.
std::vector<double> normal_fleet(std::mt19937_64& random, std::size_t count, std::size_t bad, double further) {
  std::normal_distribution<double> normal(0, 1);
  std::vector<double> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = normal(random) + (i < bad ? further : 0);
  return values;
}

bool any_below(const std::vector<double>& chances, std::size_t but, double level) {
  return std::any_of(chances.begin() + static_cast<std::ptrdiff_t>(but), chances.end(),
                     [&](double chance) { return chance <= level; });
}

constexpr double kLevel = 0.0025;

}  // namespace

TEST_CASE("a gap has the chance that the formula says") {
  // 400 values: 20 gaps, each held against the 10 below it. Each value is half of the one before: D_i = i log 2.
  std::vector<double> values(400, -1.0);
  for (int i = 0; i < 40; ++i) values[static_cast<std::size_t>(i)] = std::exp2(-i);
  CHECK(gap_chances(values, 0.5) == std::vector<double>(400, 1.0));
  values[0] = std::exp2(49);  // D_1 = 50 log 2 over the mean of 2 to 11 log 2, which is 6.5 log 2
  const auto chances = gap_chances(values, 0.5);
  CHECK_THAT(chances[0], WithinRel(2 * std::pow(1 + 50 / 6.5 / 10, -10), 1e-9));
  CHECK(chances[1] == 1);
}

TEST_CASE("the chance of a gap is exact under a power law of whatever index") {
  const double index = GENERATE(1.0, 30.0);
  std::mt19937_64 random(21);
  constexpr int kTrials = 10000;
  std::vector<double> chances;
  // Of 39 values one gap is looked for, below the furthest, with a weight of a half.
  for (int i = 0; i < kTrials; ++i) chances.push_back(gap_chances(power_law(random, 39, 6, index), 1)[0] / 2);
  std::sort(chances.begin(), chances.end());
  double furthest = 0;  // Kolmogorov's distance, as far as chances are told from none
  for (std::size_t i = 0; i < chances.size() && chances[i] < 0.5; ++i)
    furthest = std::max(furthest, std::abs(chances[i] - (static_cast<double>(i) + 0.5) / kTrials));
  CHECK(furthest < 1.63 / std::sqrt(kTrials));
  int any = 0;
  for (int i = 0; i < kTrials; ++i)
    any += any_below(gap_chances(power_law(random, 512, 38, index), 0.05), 0, 0.05) ? 1 : 0;
  CHECK(share_at_least(any, kTrials, 0.01) <= 0.05);
  CHECK(any > 0.03 * kTrials);
}

TEST_CASE("several slow nodes do not hide each other and no healthy one is taken along") {
  const std::size_t bad = GENERATE(std::size_t{5}, std::size_t{40});
  std::mt19937_64 random(23);
  int found = 0, with_healthy = 0;
  constexpr int kFleets = 60;
  for (int i = 0; i < kFleets; ++i) {
    const auto chances = gap_chances(normal_fleet(random, 4096, bad, 25), kLevel);
    found += static_cast<int>(std::count_if(chances.begin(), chances.begin() + static_cast<std::ptrdiff_t>(bad),
                                            [](double chance) { return chance <= kLevel; }));
    with_healthy += any_below(chances, bad, kLevel) ? 1 : 0;
  }
  CHECK(found == static_cast<int>(bad) * kFleets);
  CHECK(with_healthy <= 1);
}

TEST_CASE("a healthy node that is far out by itself is not taken along with those that are further") {
  // A power law of which the first is 1.5 times as far as it should be, and five that are further.
  const double far = GENERATE(3.4, 12.0);
  std::vector<double> values(4096, -1.0);
  for (std::size_t i = 5; i < 300; ++i) values[i] = std::pow(static_cast<double>(i - 4), -0.25);
  values[5] = 1.5;
  std::fill_n(values.begin(), 5, far);
  const auto chances = gap_chances(values, kLevel);
  CHECK(chances[5] == 1);
  CHECK((chances[4] <= kLevel) == (far > 10));
  CHECK(chances[0] == chances[4]);
}

TEST_CASE("more than a twentieth that are slow are a kind of their own and show no gap") {
  std::mt19937_64 random(25);
  for (int i = 0; i < 20; ++i) CHECK(!any_below(gap_chances(normal_fleet(random, 512, 40, 25), kLevel), 0, kLevel));
}

TEST_CASE("equal and rounded values show no gap") {
  std::vector<double> equal(400, -1.0);
  std::fill_n(equal.begin(), 150, 0.1);
  equal[0] = 0.2;
  CHECK(gap_chances(equal, kLevel) == std::vector<double>(400, 1.0));
  std::mt19937_64 random(27);
  const double step = GENERATE(0.03, 0.1, 0.3);
  int with_any = 0;
  constexpr int kFleets = 200;
  for (int i = 0; i < kFleets; ++i) {
    std::vector<double> values = normal_fleet(random, 1024, 0, 0);
    for (double& value : values) value = step * std::round(value / step);
    with_any += any_below(gap_chances(values, kLevel, step / 2), 0, kLevel) ? 1 : 0;
  }
  CHECK(with_any <= 2);
}

TEST_CASE("a gap does not depend on the order of nodes or on the scale") {
  std::mt19937_64 random(29);
  const std::vector<double> values = normal_fleet(random, 512, 3, 40);
  const auto expected = gap_chances(values, kLevel);
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::shuffle(order.begin(), order.end(), random);
  std::vector<double> shuffled;
  for (const std::size_t i : order) shuffled.push_back(values[i] * 0.012);
  const auto chances = gap_chances(shuffled, kLevel);
  CHECK(any_below(expected, 0, kLevel));
  for (std::size_t i = 0; i < order.size(); ++i) CHECK_THAT(chances[i], WithinRel(expected[order[i]], 1e-6));
}

TEST_CASE("who is cleared by heavy tails would go live, and who is accused by light ones would be wronged") {
  BurninPeers peers{.variance = 0.012 * 0.012, .degrees = 1369, .tails = kUnseenTails, .count = 4096};
  constexpr double kFar = 8 * 0.012;
  CHECK(expected_as_far(peers, kFar, 4096) < 1e-6);         // it is not cleared
  CHECK(4096 * chance_of_peers(peers, kFar, 0, 40) > 1);    // nor accused
  CHECK(expected_as_far(peers, 4 * 0.012, 4096) > 0.05);    // as the slowest of so many
  CHECK(expected_as_far(peers, 4.4 * 0.012, 4096) < 0.05);  //
  CHECK(expected_as_far(peers, 4 * 0.012, 64) < 0.05);      // but not of so few
  peers.tails = kStatedTails;                               // the config's word
  CHECK(4096 * chance_of_peers(peers, kFar, 0, 40) < 0.1);  //
  CHECK(no_peers({.size = 0.01, .is_stated = true}).tails == kStatedTails);
  CHECK(no_peers({.size = 0.01}).tails == kUnseenTails);
}

TEST_CASE("fresh values that mostly stalled are no sure slowness, and a single one that did is drawn in") {
  const BurninNoise noise{.variance = 1e-4, .degrees = 16};
  const auto low_of = [&](std::vector<double> fresh) {
    return fresh_estimate({.fresh = std::move(fresh)}, noise).low(0.001);
  };
  CHECK(low_of({0.40, 0.41, 0.39, 0.40, 0.00, 0.01}) < 0.03);  // what compute tolerates
  CHECK(low_of({0.10, 0.11, 0.09, 0.10, 0.10, 0.50}) > 0.05);
}
