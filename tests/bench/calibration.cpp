// How often do tests of step time find an effect where there is none? Simulated runs without any, with autocorrelated
// noise and drift, judged by grit's paired design and by what is commonly done instead. Prints one table; nominal level
// 5 %.
//
//   bench_calibration [REPETITIONS]     default 2000; fixed seed, the same numbers every time
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <numeric>
#include <random>
#include <vector>

#include "analysis/effect.hpp"
#include "analysis/sign_flip.hpp"
#include "tests/simulation.hpp"

namespace {

using grit::testing::PairedRun;
using grit::testing::SimulationSettings;

constexpr double kAlpha = 0.05;
constexpr double kNormal975 = 1.959963984540054;

struct TwoSamples {
  std::vector<double> baseline, fault;
};

/// Step times pooled by condition, as they lie in the interleaved blocks.
TwoSamples interleaved(const PairedRun& run) {
  TwoSamples samples;
  for (const auto& block : run.blocks) {
    auto& pool = block.fault ? samples.fault : samples.baseline;
    pool.insert(pool.end(), block.step_ns.begin(), block.step_ns.end());
  }
  return samples;
}

/// The first half of the run against the second: "yesterday against today".
TwoSamples before_after(const PairedRun& run) {
  TwoSamples samples;
  for (std::size_t i = 0; i < run.blocks.size(); ++i) {
    auto& pool = i < run.blocks.size() / 2 ? samples.baseline : samples.fault;
    pool.insert(pool.end(), run.blocks[i].step_ns.begin(), run.blocks[i].step_ns.end());
  }
  return samples;
}

/// Mann and Whitney (1947), normal approximation; step times are continuous, so there are no ties.
bool mann_whitney_rejects(const TwoSamples& samples) {
  std::vector<std::pair<double, bool>> all;
  for (const double x : samples.baseline) all.emplace_back(x, false);
  for (const double x : samples.fault) all.emplace_back(x, true);
  std::sort(all.begin(), all.end());
  double rank_sum = 0;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (all[i].second) rank_sum += static_cast<double>(i + 1);
  const double n = static_cast<double>(samples.fault.size()), m = static_cast<double>(samples.baseline.size());
  const double expected = n * (n + m + 1) / 2;
  const double deviation = std::sqrt(n * m * (n + m + 1) / 12);
  return std::abs(rank_sum - expected) / deviation > kNormal975;
}

/// Welch (1947). With hundreds of steps a side the t quantile is the normal one to three digits.
bool welch_rejects(const TwoSamples& samples) {
  const auto moments = [](const std::vector<double>& x) {
    const double n = static_cast<double>(x.size());
    const double mean = std::accumulate(x.begin(), x.end(), 0.0) / n;
    double squares = 0;
    for (const double value : x) squares += (value - mean) * (value - mean);
    return std::pair(mean, squares / (n - 1) / n);
  };
  const auto [baseline_mean, baseline_error] = moments(samples.baseline);
  const auto [fault_mean, fault_error] = moments(samples.fault);
  return std::abs(fault_mean - baseline_mean) / std::sqrt(baseline_error + fault_error) > kNormal975;
}

bool paired_rejects(const PairedRun& run) {
  const auto effects = grit::paired_effects(run.pairs());
  return std::any_of(effects.begin(), effects.end(), [](const grit::Effect& effect) { return effect.p <= kAlpha; });
}

bool sign_flip_of_mean_rejects(const PairedRun& run) {
  std::vector<double> differences;
  for (const grit::PairTimes& pair : run.pairs())
    differences.push_back(std::log(pair.fault_mean_ns / pair.baseline_mean_ns));
  return grit::SignFlipTest(differences).p_value() <= kAlpha;
}

struct Method {
  const char* name;
  std::function<bool(const PairedRun&)> rejects;
};

struct Machine {
  const char* name;
  double autocorrelation;
  double drift;
};

}  // namespace

int main(int argc, char** argv) {
  const int repetitions = argc > 1 ? std::atoi(argv[1]) : 2000;
  if (repetitions <= 0) {
    fmt::print(stderr, "usage: bench_calibration [REPETITIONS], a whole number above 0\n");
    return 64;
  }
  const std::vector<Method> methods{
      {"grit: paired, mean and median", paired_rejects},
      {"grit: paired, mean alone", sign_flip_of_mean_rejects},
      {"interleaved steps, Mann-Whitney", [](const PairedRun& run) { return mann_whitney_rejects(interleaved(run)); }},
      {"interleaved steps, Welch t", [](const PairedRun& run) { return welch_rejects(interleaved(run)); }},
      {"before/after, Mann-Whitney", [](const PairedRun& run) { return mann_whitney_rejects(before_after(run)); }},
      {"before/after, Welch t", [](const PairedRun& run) { return welch_rejects(before_after(run)); }},
  };
  const std::vector<Machine> machines{{"white noise", 0, 0}, {"AR(1) 0.8", 0.8, 0}, {"AR(1) 0.8 + drift", 0.8, 0.3}};

  fmt::print("False positives in {} simulated runs without any effect (8 pairs of 20 steps, nominal 5 %)\n\n",
             repetitions);
  fmt::print("{:<34}", "");
  for (const Machine& machine : machines) fmt::print("{:>20}", machine.name);
  for (const Method& method : methods) {
    fmt::print("\n{:<34}", method.name);
    for (const Machine& machine : machines) {
      SimulationSettings settings;
      settings.autocorrelation = machine.autocorrelation;
      settings.drift = machine.drift;
      std::mt19937_64 random(20);
      int rejected = 0;
      for (int repetition = 0; repetition < repetitions; ++repetition)
        if (method.rejects(grit::testing::simulate_run(random, settings))) ++rejected;
      fmt::print("{:>18.1f} %", 100.0 * rejected / repetitions);
    }
  }
  fmt::print("\n\nOne standard error at 5 % is {:.1f} %.\n", 100 * std::sqrt(kAlpha * (1 - kAlpha) / repetitions));
  return 0;
}
