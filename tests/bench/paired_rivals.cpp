// How often do tests of step time find an effect where there is none, and how often does grit's interval hold the truth
// where there is one? Simulated runs with autocorrelated noise, drift and heavy tails, judged by grit's paired design,
// of fixed length and with three looks, and by what is commonly done instead. Prints tables; nominal level 5 %.
//
//   bench_paired_rivals [REPETITIONS]     default 10000; fixed seed, the same numbers every time
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <random>
#include <vector>

#include "analysis/stats/effect.hpp"
#include "analysis/stats/sign_flip.hpp"
#include "tests/bench/rivals.hpp"
#include "tests/simulation.hpp"

namespace {

using grit::bench::TwoSamples;
using grit::testing::PairedRun;
using grit::testing::SimulationSettings;

constexpr double kAlpha = 0.05;
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

bool paired_rejects(const PairedRun& run) {
  const auto effects = grit::paired_effects(run.pairs());
  return std::any_of(effects.begin(), effects.end(), [](const grit::Effect& effect) { return effect.p <= kAlpha; });
}

/// Looks at 8, 12 and 16 pairs and stops at the first effect.
bool looks_reject(const PairedRun& run) {
  const auto pairs = run.pairs();
  for (const std::size_t look : {8U, 12U, 16U}) {
    if (pairs.size() < look) return false;
    for (const grit::Effect& effect : grit::paired_effects(std::span(pairs).first(look), 3))
      if (effect.p <= kAlpha) return true;
  }
  return false;
}

/// The interval with which a run that looks three times ends, at whichever look.
grit::Effect last_interval(const PairedRun& run) {
  const auto pairs = run.pairs();
  grit::Effect effect;
  for (const std::size_t look : {8U, 12U, 16U}) {
    effect = grit::leading_effect(grit::paired_effects(std::span(pairs).first(look), 3));
    if (effect.ci_low > 0 || effect.ci_high < 0) break;
  }
  return effect;
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
  double heavy_tails;

  [[nodiscard]] SimulationSettings settings(double slowdown) const {
    SimulationSettings settings;
    settings.pairs = 16;
    settings.autocorrelation = autocorrelation;
    settings.drift = drift;
    settings.heavy_tails = heavy_tails;
    settings.slowdown = slowdown;
    return settings;
  }
};

/// The same run, ended after its first pairs.
PairedRun first_pairs(PairedRun run, std::size_t pairs) {
  run.blocks.resize(2 * pairs);
  return run;
}

template <class Wrong>
double share_in_percent(int repetitions, const SimulationSettings& settings, const Wrong& wrong) {
  std::mt19937_64 random(20);
  int count = 0;
  for (int repetition = 0; repetition < repetitions; ++repetition)
    if (wrong(grit::testing::simulate_run(random, settings))) ++count;
  return 100.0 * count / repetitions;
}

void print_header(const std::vector<Machine>& machines) {
  fmt::print("{:<34}", "");
  for (const Machine& machine : machines) fmt::print("{:>20}", machine.name);
}

}  // namespace

int main(int argc, char** argv) {
  const int repetitions = argc > 1 ? std::atoi(argv[1]) : 10000;
  if (repetitions <= 0) {
    fmt::print(stderr, "usage: bench_paired_rivals [REPETITIONS], a whole number above 0\n");
    return 64;
  }
  using grit::bench::kNormal975;
  const auto fixed = [](auto method) { return [method](const PairedRun& run) { return method(first_pairs(run, 8)); }; };
  const std::vector<Method> methods{
      {"grit: 8 pairs", fixed(paired_rejects)},
      {"grit: looks at 8, 12, 16 pairs", looks_reject},
      {"grit: 8 pairs, mean alone", fixed(sign_flip_of_mean_rejects)},
      {"interleaved steps, Mann-Whitney",
       fixed([](const PairedRun& run) { return std::abs(mann_whitney_z(interleaved(run))) > kNormal975; })},
      {"interleaved steps, Welch t",
       fixed([](const PairedRun& run) { return std::abs(welch_t(interleaved(run))) > kNormal975; })},
      {"before/after, Mann-Whitney",
       fixed([](const PairedRun& run) { return std::abs(mann_whitney_z(before_after(run))) > kNormal975; })},
      {"before/after, Welch t",
       fixed([](const PairedRun& run) { return std::abs(welch_t(before_after(run))) > kNormal975; })},
  };
  const std::vector<Machine> machines{{"white noise", 0, 0, 0},
                                      {"AR(1) 0.8", 0.8, 0, 0},
                                      {"AR(1) 0.9", 0.9, 0, 0},
                                      {"AR(1) 0.9 + drift", 0.9, 0.3, 0},
                                      {"+ heavy tails", 0.9, 0.3, 0.02}};

  fmt::print("False positives in {} simulated runs without any effect (blocks of 20 steps, nominal 5 %)\n\n",
             repetitions);
  print_header(machines);
  for (const Method& method : methods) {
    fmt::print("\n{:<34}", method.name);
    for (const Machine& machine : machines) {
      fmt::print("{:>18.1f} %", share_in_percent(repetitions, machine.settings(0), method.rejects));
      std::fflush(stdout);
    }
  }
  fmt::print("\n\nHow often the 95 % interval of a run with three looks holds the truth\n\n");
  print_header(machines);
  for (const double truth : {0.0, 0.01, 0.05, 0.2}) {
    fmt::print("\n{:<34}", fmt::format("true slowdown {:.0f} %", 100 * truth));
    for (const Machine& machine : machines) {
      const auto holds = [&](const PairedRun& run) {
        const grit::Effect effect = last_interval(run);
        return effect.ci_low <= truth && truth <= effect.ci_high;
      };
      fmt::print("{:>18.1f} %", share_in_percent(repetitions, machine.settings(truth), holds));
      std::fflush(stdout);
    }
  }
  fmt::print("\n\nOne standard error at 5 % is {:.1f} %.\n", 100 * std::sqrt(kAlpha * (1 - kAlpha) / repetitions));
  return 0;
}
