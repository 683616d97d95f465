#include <cmath>
#include <random>

#include "analysis/stats/autocorrelation.hpp"
#include "analysis/stats/largest_shift.hpp"
#include "tests/catch.hpp"

using namespace grit;

namespace {

std::vector<double> wandering(std::mt19937_64& random, std::size_t count, double coefficient) {
  std::normal_distribution<double> normal;
  std::vector<double> values;
  double state = normal(random);
  for (std::size_t i = 0; i < count; ++i) {
    values.push_back(state);
    state = coefficient * state + std::sqrt(1 - coefficient * coefficient) * normal(random);
  }
  return values;
}

const std::vector<std::size_t> kOneAfterTheOther{0, 0, 0, 0, 1, 1, 1, 1}, kByTurns{0, 1, 1, 0, 0, 1, 1, 0};

}  // namespace

TEST_CASE("the autocorrelation of a few values is estimated without bias") {
  std::mt19937_64 random(41);
  for (const double coefficient : {0.0, 0.3, 0.8}) {
    Residuals pooled;
    for (int i = 0; i < 4000; ++i) pooled += residuals(wandering(random, 8, coefficient), kOneAfterTheOther);
    const Wandering of(kOneAfterTheOther);
    CHECK(pooled.autocorrelation() < coefficient - 0.15);  // of four values about their mean
    CHECK(of.expected(coefficient) == Approx(pooled.autocorrelation()).margin(0.02));
    CHECK(of.coefficient(pooled.autocorrelation()) == Approx(coefficient).margin(0.04));
  }
  CHECK(residuals(std::vector<double>(8, 1.0), kByTurns).autocorrelation() == 0);
}

TEST_CASE("two days differ by more than the runs within them say, where runs wander and do not come by turns") {
  std::mt19937_64 random(42);
  for (const auto& order : {kOneAfterTheOther, kByTurns}) {
    double shifts = 0, said = 0;
    for (int i = 0; i < 4000; ++i) {
      const auto values = wandering(random, 8, 0.8);
      double shift = 0;
      for (std::size_t k = 0; k < 8; ++k) shift += (order[k] == 1 ? 0.25 : -0.25) * values[k];
      shifts += shift * shift;
      said += residuals(values, order).squares / 6 * 0.5;
    }
    const double inflation = std::sqrt(shifts / said);
    CAPTURE(inflation);
    CHECK(Wandering(order).inflation(0.8) == Approx(std::max(1.0, inflation)).epsilon(0.05));
    CHECK((order == kByTurns) == (inflation < 1));
  }
  CHECK(Wandering(kOneAfterTheOther).inflation(0) == Approx(1));
  CHECK(Wandering({0, 1}).inflation(0.9) == 1);
}

TEST_CASE("the largest of many shifts is held against the luckiest of all") {
  std::mt19937_64 random(43);
  std::normal_distribution<double> normal;
  const std::vector<std::size_t> places{0, 1, 2, 3, 4, 5, 6, 7};
  const CandidateKind kind{50};
  std::vector<std::vector<double>> values(50, std::vector<double>(8));
  for (auto& candidate : values)
    for (double& value : candidate) value = normal(random);
  for (std::size_t run = 4; run < 8; ++run) values[7][run] += 12;
  const LargestShift shift(values, std::vector<std::size_t>(50, 0), {&kind, 1}, 4, places);
  CHECK(shift.p(7) == Approx(1.0 / 70));
  CHECK(shift.of(7) == Approx(12).margin(2));
  for (std::size_t i = 0; i < 50; ++i)
    if (i != 7) CHECK(shift.p(i) > 0.05);
  CHECK(shift.at_most(0) > shift.of(0));
  const LargestShift few({{0, 0, 1, 1}}, {0}, {&kind, 1}, 2, std::vector<std::size_t>{0, 1, 2, 3});
  CHECK(std::isinf(few.at_most(0)));
}
