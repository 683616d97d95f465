// How often do tests of step time find an effect where there is none, and how often does grit's interval hold the truth
// where there is one? Simulated runs with autocorrelated noise, drift and heavy tails, judged by grit's paired design,
// of fixed length and with three looks, and by what is commonly done instead. And how often do other statements, each
// with its own claim, name what is not so. Prints tables; nominal level 5 %.
//
//   bench_calibration [REPETITIONS]     default 10000; fixed seed, the same numbers every time
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <numeric>
#include <random>
#include <vector>

#include "analysis/compare/location.hpp"
#include "analysis/stats/change_points.hpp"
#include "analysis/stats/effect.hpp"
#include "analysis/stats/sign_flip.hpp"
#include "tests/bench/rivals.hpp"
#include "tests/simulated_checks.hpp"
#include "tests/simulated_days.hpp"
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

/// "3.1 % (2.6 .. 3.7)": with the 95 % interval of E. B. Wilson, JASA 22 (1927).
std::string rate_text(int count, int of) {
  const double z = grit::bench::kNormal975, n = of, share = count / n;
  const double middle = (share + z * z / (2 * n)) / (1 + z * z / n);
  const double half = z / (1 + z * z / n) * std::sqrt(share * (1 - share) / n + z * z / (4 * n * n));
  return fmt::format("{:.1f} % ({:.1f} .. {:.1f})", 100 * share, 100 * std::max(0.0, middle - half),
                     100 * (middle + half));
}

using grit::testing::Days;

/// How often `compare` names a node of two days that is not `days.slow_node`, how often that one, and how often it says
/// "everywhere" of a change that is in one place.
void print_location_row(const char* name, const Days& days, int repetitions) {
  std::mt19937_64 random(21);
  int innocent = 0, right = 0, everywhere = 0;
  for (int i = 0; i < repetitions; ++i) {
    const auto runs = grit::testing::simulate_days(random, days);
    const auto found = grit::locate(old_runs(runs, days), new_runs(runs, days), {});
    if (!found) continue;
    const bool place = found->where == grit::Location::Where::place;
    innocent += place && found->node != days.slow_node ? 1 : 0;
    right += place && found->node == days.slow_node ? 1 : 0;
    everywhere += found->where == grit::Location::Where::everywhere && days.slow_node >= 0 ? 1 : 0;
  }
  fmt::print("{:<52}{:>6}{:>24}", name, days.ranks, rate_text(innocent, repetitions));
  if (days.slow_node >= 0)
    fmt::print("{:>24}{:>24}", rate_text(right, repetitions), rate_text(everywhere, repetitions));
  fmt::print("\n");
  std::fflush(stdout);
}

/// Ranks vary by 1 % from run to run unless said otherwise; `multiplied` is the change of all.
void print_location(int repetitions) {
  fmt::print("\n\nHow often compare names a node (claim: an innocent one in at most 5 %)\n\n");
  fmt::print("{:<52}{:>6}{:>24}{:>24}{:>24}\n", "", "ranks", "an innocent one", "the slow one", "\"everywhere\"");
  for (const int ranks : {4, 64, 1024}) {
    const int count = static_cast<int>(2 * repetitions / std::sqrt(ranks));
    print_location_row("all 2 % slower, 4 + 4 runs", {.ranks = ranks, .multiplied = 0.02}, count);
    print_location_row("the same, 3 + 3 runs", {.ranks = ranks, .before = 3, .after = 3, .multiplied = 0.02}, count);
    print_location_row("heavy tails, common factors",
                       {.ranks = ranks, .heavy_tails = true, .common = 0.02, .multiplied = 0.02}, count);
    print_location_row("unequal machines, 10 % slower, common factors",
                       {.ranks = ranks, .common = 0.02, .unequal = true, .multiplied = 0.1}, count);
    print_location_row("unequal machines, 1 ms more, common factors",
                       {.ranks = ranks, .common = 0.02, .unequal = true, .added_ns = 1e6}, count);
    print_location_row("not exchangeable: autocorrelation 0.5, 8 + 8 runs",
                       {.ranks = ranks, .before = 8, .after = 8, .autocorrelation = 0.5, .multiplied = 0.02}, count);
    print_location_row("one node 10 % slower, 4 + 4 runs", {.ranks = ranks, .slow_node = 1, .slow_ns = 1e6}, count);
    print_location_row("one node 10 % slower, heavy tails, common factors",
                       {.ranks = ranks, .heavy_tails = true, .common = 0.02, .slow_node = 1, .slow_ns = 1e6}, count);
    print_location_row("one node 10 % slower, 8 + 8 runs",
                       {.ranks = ranks, .before = 8, .after = 8, .slow_node = 1, .slow_ns = 1e6}, count);
  }
}

using grit::testing::Checks;

void print_checks_row(const char* name, const Checks& settings, int repetitions) {
  std::mt19937_64 random(22);
  int shown = 0, first = 0;
  for (int i = 0; i < repetitions; ++i) {
    const auto p = grit::p_among_all(grit::testing::simulate_checks(random, settings));
    const auto least =
        settings.harm > 0 ? std::min_element(p.begin() + 1, p.end()) : std::min_element(p.begin(), p.end());
    shown += *least <= kAlpha ? 1 : 0;
    first += p.front() <= kAlpha ? 1 : 0;
  }
  fmt::print("{:<52}{:>6}{:>24}", name, settings.checks, rate_text(shown, repetitions));
  if (settings.harm > 0) fmt::print("{:>24}", rate_text(first, repetitions));
  fmt::print("\n");
  std::fflush(stdout);
}

/// In 8 pairs of blocks with 6 readings each.
void print_checks(int repetitions) {
  fmt::print(
      "\n\nHow often some check is said to fail more often under the fault (claim: an innocent one in at most 5 "
      "%)\n\n");
  fmt::print("{:<52}{:>6}{:>24}{:>24}\n", "", "checks", "an innocent one", "the harmed one");
  for (const int checks : {4, 64, 1024}) {
    const int count = std::max(200, static_cast<int>(4.0 * repetitions / checks));
    print_checks_row("5 % of readings fail whatever happens", {.checks = checks}, count);
    print_checks_row("20 % of them", {.checks = checks, .fails = 0.2}, count);
    print_checks_row("20 %, in spells of 12 readings", {.checks = checks, .fails = 0.2, .spells = true}, count);
    print_checks_row("20 %, in spells of all checks at once",
                     {.checks = checks, .fails = 0.2, .spells = true, .common = true}, count);
    print_checks_row("0.1 %, one fails in every fault block", {.checks = checks, .fails = 0.001, .harm = 0.7}, count);
    print_checks_row("5 %, one fails in every fault block", {.checks = checks, .harm = 0.9}, count);
  }
}

/// Series of runs without any change, or with one of the newest two.
void print_newest(int repetitions) {
  fmt::print(
      "\n\nHow often the newest runs of a series are said to differ (claim: without a change in at most 5 %)\n\n");
  fmt::print("{:<52}{:>6}{:>24}{:>24}\n", "", "runs", "no change", "2 runs by 5 spreads");
  for (const bool heavy : {false, true})
    for (const std::size_t count : {8U, 16U, 64U}) {
      std::mt19937_64 random(23);
      std::normal_distribution<double> normal;
      std::student_t_distribution<double> student(3);
      int quiet = 0, changed = 0;
      for (int i = 0; i < repetitions; ++i) {
        std::vector<double> values(count);
        for (double& value : values) value = heavy ? student(random) / std::sqrt(3.0) : normal(random);
        const auto outside = [&] {
          const auto newest = grit::compare_newest(values, 2, grit::kNewestAlpha);
          return std::any_of(newest.begin(), newest.end(),
                             [](const grit::Newest& one) { return std::abs(one.shift) > one.half_width; });
        };
        quiet += outside() ? 1 : 0;
        values[count - 1] += 5, values[count - 2] += 5;
        changed += outside() ? 1 : 0;
      }
      fmt::print("{:<52}{:>6}{:>24}{:>24}\n", heavy ? "heavy tails" : "normal", count, rate_text(quiet, repetitions),
                 rate_text(changed, repetitions));
    }
}

void print_header(const std::vector<Machine>& machines) {
  fmt::print("{:<34}", "");
  for (const Machine& machine : machines) fmt::print("{:>20}", machine.name);
}

}  // namespace

int main(int argc, char** argv) {
  const int repetitions = argc > 1 ? std::atoi(argv[1]) : 10000;
  if (repetitions <= 0) {
    fmt::print(stderr, "usage: bench_calibration [REPETITIONS], a whole number above 0\n");
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
  print_location(repetitions);
  print_checks(repetitions);
  print_newest(repetitions);
  return 0;
}
