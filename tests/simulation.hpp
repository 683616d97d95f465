// Simulated step times for tests and benches of the statistics: autocorrelated noise on a drifting machine, in
// randomised pairs.
#pragma once

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "analysis/stats/effect.hpp"

namespace grit::testing {

struct SimulationSettings {
  int pairs = 8;
  int steps = 20;                // a block
  double autocorrelation = 0.8;  // AR(1) of the log step time
  double noise = 0.05;           // standard deviation of the log step time
  double drift = 0.3;            // change of the log step time over the whole run
  double slowdown = 0;           // true effect, as a fraction
  double heavy_tails = 0;  // share of steps that stall: Pareto's tail with index 1.5, so that the variance is infinite
};

struct SimulatedBlock {
  bool fault = false;
  std::vector<double> step_ns;
};

/// Blocks in the order in which they ran: each pair's two in random order.
struct PairedRun {
  std::vector<SimulatedBlock> blocks;

  [[nodiscard]] std::vector<PairTimes> pairs() const {
    std::vector<PairTimes> result;
    for (std::size_t i = 0; i + 1 < blocks.size(); i += 2) {
      const SimulatedBlock& fault = blocks[i].fault ? blocks[i] : blocks[i + 1];
      const SimulatedBlock& baseline = blocks[i].fault ? blocks[i + 1] : blocks[i];
      result.push_back({static_cast<int>(i / 2), mean(baseline.step_ns), median(baseline.step_ns), mean(fault.step_ns),
                        median(fault.step_ns)});
    }
    return result;
  }

  static double mean(const std::vector<double>& values) {
    double sum = 0;
    for (const double value : values) sum += value;
    return sum / static_cast<double>(values.size());
  }
  static double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const std::size_t middle = values.size() / 2;
    return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  }
};

inline PairedRun simulate_run(std::mt19937_64& random, const SimulationSettings& settings) {
  std::normal_distribution<double> innovation(
      0, settings.noise * std::sqrt(1 - settings.autocorrelation * settings.autocorrelation));
  std::uniform_real_distribution<double> uniform(0, 1);
  double state = std::normal_distribution<double>(0, settings.noise)(random);
  const double total_steps = 2.0 * settings.pairs * settings.steps;
  double step = 0;
  PairedRun run;
  for (int pair = 0; pair < settings.pairs; ++pair) {
    const bool fault_first = (random() >> 63) != 0;
    for (const bool fault : {fault_first, !fault_first}) {
      SimulatedBlock block{fault, {}};
      for (int i = 0; i < settings.steps; ++i, ++step) {
        state = settings.autocorrelation * state + innovation(random);
        const double effect = fault ? std::log1p(settings.slowdown) : 0;
        const double stall = settings.heavy_tails > 0 && uniform(random) < settings.heavy_tails
                                 ? std::pow(1 - uniform(random), -1 / 1.5)
                                 : 1;
        block.step_ns.push_back(1e6 * stall * std::exp(state + effect + settings.drift * step / total_steps));
      }
      run.blocks.push_back(std::move(block));
    }
  }
  return run;
}

}  // namespace grit::testing
