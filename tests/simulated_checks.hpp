// Simulated readings of health checks in randomised pairs of blocks, for tests and benches of "fails more often".
#pragma once

#include <random>
#include <vector>

namespace grit::testing {

struct Checks {
  int checks = 8;  // times nodes
  int pairs = 8;
  int readings = 6;     // a block
  double fails = 0.05;  // of the readings, whatever happens
  bool spells = false;  // failures come in spells of some 12 readings, across blocks
  bool common = false;  // and hit all checks at once
  double harm = 0;      // of the readings of the first check under the fault that fail as well
};

/// By check and pair: the share of readings that failed under the fault less that without.
inline std::vector<std::vector<double>> simulate_checks(std::mt19937_64& random, const Checks& settings) {
  std::uniform_real_distribution<double> uniform(0, 1);
  const auto count = static_cast<std::size_t>(settings.checks);
  std::vector<std::vector<double>> rows(count);
  std::vector<bool> failing(count);
  for (std::size_t i = 0; i < count; ++i) failing[i] = uniform(random) < settings.fails;
  const double leaves = 1.0 / 12, enters = leaves * settings.fails / (1 - settings.fails);
  for (int pair = 0; pair < settings.pairs; ++pair) {
    const bool fault_first = (random() >> 63) != 0;
    std::vector<double> difference(count, 0.0);
    for (const bool fault : {fault_first, !fault_first})
      for (int reading = 0; reading < settings.readings; ++reading)
        for (std::size_t i = 0; i < count; ++i) {
          if (settings.common && i > 0)
            failing[i] = failing[0];
          else if (settings.spells)
            failing[i] = uniform(random) < (failing[i] ? 1 - leaves : enters);
          else
            failing[i] = uniform(random) < settings.fails;
          const bool harmed = fault && i == 0 && uniform(random) < settings.harm;
          if (failing[i] || harmed) difference[i] += (fault ? 1.0 : -1.0) / settings.readings;
        }
    for (std::size_t i = 0; i < count; ++i) rows[i].push_back(difference[i]);
  }
  return rows;
}

}  // namespace grit::testing
