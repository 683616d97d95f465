#include <cmath>
#include <random>

#include "analysis/stats/effect.hpp"
#include "analysis/stats/sign_flip.hpp"
#include "tests/catch.hpp"
#include "tests/simulation.hpp"

using grit::Effect;
using grit::PairTimes;
using grit::testing::PairedRun;

namespace {

std::vector<PairTimes> pairs_with_ratio(std::initializer_list<double> mean_ratios, double median_ratio) {
  std::vector<PairTimes> pairs;
  for (const double ratio : mean_ratios)
    pairs.push_back({static_cast<int>(pairs.size()), 1e6, 0.9e6, 1e6 * ratio, 0.9e6 * median_ratio});
  return pairs;
}

/// Three standard errors of a share seen in this many repetitions.
double three_sigma(double share, int repetitions) { return 3 * std::sqrt(share * (1 - share) / repetitions); }

}  // namespace

TEST_CASE("an effect of all pairs alike is given as it is") {
  const auto effects = grit::paired_effects(pairs_with_ratio({1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5}, 1.0));
  REQUIRE(effects.size() == 2);
  CHECK(effects[0].statistic == "mean");
  CHECK(effects[0].estimate == Approx(0.5));
  CHECK(effects[0].ci_low == Approx(0.5));
  CHECK(effects[0].ci_high == Approx(0.5));
  CHECK(effects[0].p == Approx(2 * 2.0 / 256));  // two statistics
  CHECK(effects[0].pairs == 8);
  CHECK(effects[1].statistic == "median");
  CHECK(effects[1].estimate == Approx(0).margin(1e-12));
  CHECK(effects[1].p == Approx(1.0));
  CHECK(&grit::leading_effect(effects) == &effects[0]);
}

TEST_CASE("six pairs test the mean alone and can reach the 5 % level, and five cannot say anything") {
  const auto effects = grit::paired_effects(pairs_with_ratio({1.1, 1.2, 1.15, 1.12, 1.18, 1.11}, 1.0));
  REQUIRE(effects.size() == 1);
  CHECK(effects[0].p == Approx(2.0 / 64));
  CHECK(effects[0].ci_low == Approx(0.10));
  CHECK(effects[0].ci_high == Approx(0.20));
  CHECK(grit::paired_effects(pairs_with_ratio({1.1, 1.2, 1.15, 1.12, 1.18}, 1.0)).empty());
  CHECK(grit::estimate_only(pairs_with_ratio({1.1, 1.1}, 1.0)) == Approx(0.1));
}

TEST_CASE("the median leads only when it alone shows an effect") {
  const auto effects = grit::paired_effects(pairs_with_ratio({1.5, 0.7, 1.4, 0.6, 1.3, 0.8, 1.2, 0.9}, 1.05));
  REQUIRE(effects.size() == 2);
  CHECK(grit::leading_effect(effects).statistic == "median");
  CHECK(grit::leading_effect(effects).estimate == Approx(0.05));
}

TEST_CASE("false positives on autocorrelated, drifting step times stay at the nominal level", "[statistics]") {
  constexpr int kRepetitions = 2000;
  std::mt19937_64 random(11);
  int mean_alone = 0, either = 0;
  for (int repetition = 0; repetition < kRepetitions; ++repetition) {
    const PairedRun run = grit::testing::simulate_run(random, {});
    const auto pairs = run.pairs();
    std::vector<double> d;
    for (const PairTimes& pair : pairs) d.push_back(std::log(pair.fault_mean_ns / pair.baseline_mean_ns));
    if (grit::SignFlipTest(d).p_value() <= 0.05) ++mean_alone;
    bool found = false;
    for (const Effect& effect : grit::paired_effects(pairs)) {
      CHECK((effect.p <= 0.05) == (effect.ci_low > 0 || effect.ci_high < 0));
      found = found || effect.p <= 0.05;
    }
    if (found) ++either;
  }
  // With 8 pairs the test's attainable level below 5 % is 12/256; it must be just that, neither more nor less.
  const double level = 12.0 / 256;
  CHECK(std::abs(mean_alone / double{kRepetitions} - level) < three_sigma(level, kRepetitions));
  // Two statistics at 6/256 each: together between one's level and the sum of both.
  CHECK(either / double{kRepetitions} < 12.0 / 256 + three_sigma(level, kRepetitions));
  CHECK(either / double{kRepetitions} > 6.0 / 256 - three_sigma(6.0 / 256, kRepetitions));
}

TEST_CASE("intervals cover a true slowdown in at least 95 % of runs, mean and median together", "[statistics]") {
  constexpr int kRepetitions = 2000;
  std::mt19937_64 random(12);
  grit::testing::SimulationSettings settings;
  settings.slowdown = 0.2;
  int both = 0;
  for (int repetition = 0; repetition < kRepetitions; ++repetition) {
    bool covered = true;
    for (const Effect& effect : grit::paired_effects(grit::testing::simulate_run(random, settings).pairs()))
      covered = covered && effect.ci_low <= 0.2 && 0.2 <= effect.ci_high;
    if (covered) ++both;
  }
  CHECK(both / double{kRepetitions} > 0.95 - three_sigma(0.05, kRepetitions));
  CHECK(both / double{kRepetitions} < 1);  // an interval that always covers says nothing
}

TEST_CASE("a shift of 1 % is seen when the noise is small") {
  std::mt19937_64 random(13);
  grit::testing::SimulationSettings settings;
  settings.slowdown = 0.01;
  settings.noise = 0.002;
  settings.drift = 0.001;
  int seen = 0;
  for (int repetition = 0; repetition < 200; ++repetition) {
    const auto effects = grit::paired_effects(grit::testing::simulate_run(random, settings).pairs());
    const Effect& effect = grit::leading_effect(effects);
    if (effect.ci_low > 0) ++seen;
  }
  CHECK(seen > 190);
}

TEST_CASE("the minimum detectable effect is seen in about four of five runs", "[statistics]") {
  std::mt19937_64 random(14);
  for (const int pair_count : {8, 12}) {
    grit::testing::SimulationSettings settings;
    settings.pairs = pair_count;
    double detectable = 0;
    for (int repetition = 0; repetition < 100; ++repetition)
      detectable += grit::paired_effects(grit::testing::simulate_run(random, settings).pairs())[0].minimum_detectable;
    settings.slowdown = detectable / 100;
    int seen = 0;
    for (int repetition = 0; repetition < 400; ++repetition)
      if (grit::paired_effects(grit::testing::simulate_run(random, settings).pairs())[0].ci_low > 0) ++seen;
    INFO("pairs " << pair_count << ", seen " << seen << " of 400");
    CHECK(seen > 280);
    CHECK(seen < 360);
  }
}

TEST_CASE("estimates lie within their intervals even when a few of many pairs are huge") {
  std::vector<PairTimes> pairs;
  for (int pair = 0; pair < 25; ++pair) pairs.push_back({pair, 1e6, 1e6, 1e6 * (1 + 0.0001 * (pair % 5)), 1e6});
  for (int pair = 25; pair < 30; ++pair) pairs.push_back({pair, 1e6, 1e6, 2e9, 1e6});
  for (const Effect& effect : grit::paired_effects(pairs)) {
    CHECK(effect.ci_low <= effect.estimate);
    CHECK(effect.estimate <= effect.ci_high);
  }
}
