// What grit claims of its statements against what is measured: how often each is made though it is not so, in simulated
// noise that is not of the statement's model. Who is to blame inside of one run: bench_culprit_calibration; thresholds:
// bench_threshold_calibration.
//
//   bench_calibration [REPETITIONS [STATEMENT]]     of the cheapest rows, default 2000; fixed seeds, the same numbers
//                                                   every time; STATEMENT: only these rows, such as "changed"
//
// Exit code 1: the whole interval of some row is above its claim.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <random>
#include <string_view>
#include <vector>

#include "analysis/compare/compare.hpp"
#include "analysis/compare/location.hpp"
#include "analysis/compare/machine_shift.hpp"
#include "analysis/facts/baseline_drift.hpp"
#include "analysis/stats/change_points.hpp"
#include "analysis/stats/effect.hpp"
#include "analysis/stats/sign_flip.hpp"
#include "tests/bench/claims.hpp"
#include "tests/simulated_checks.hpp"
#include "tests/simulated_days.hpp"
#include "tests/simulation.hpp"

namespace {

using grit::bench::ClaimsTable;
using grit::bench::Count;
using grit::testing::Days;
using grit::testing::SimulationSettings;

constexpr double kAlpha = 0.05;

/// A wandering value with standard deviation 1, with or without heavy tails (Student's t with 3 degrees of freedom).
class Wanderer {
 public:
  Wanderer(std::mt19937_64& random, double autocorrelation, bool heavy)
      : random_(random), autocorrelation_(autocorrelation), heavy_(heavy), state_(draw()) {}

  double next() {
    const double value = state_;
    state_ = autocorrelation_ * state_ + std::sqrt(1 - autocorrelation_ * autocorrelation_) * draw();
    return value;
  }

 private:
  double draw() { return heavy_ ? student_(random_) / std::sqrt(3.0) : normal_(random_); }

  std::mt19937_64& random_;
  std::normal_distribution<double> normal_{};
  std::student_t_distribution<double> student_{3};
  double autocorrelation_;
  bool heavy_;
  double state_;
};

/// The effect with which a run ends: of 8 pairs, or of 8, 12 and 16 with an end at the first look that shows one.
grit::Effect last_effect(const grit::testing::PairedRun& run, bool looks) {
  const auto pairs = run.pairs();
  if (!looks) return grit::leading_effect(grit::paired_effects(std::span(pairs).first(8)));
  grit::Effect effect;
  for (const std::size_t look : {8U, 12U, 16U}) {
    effect = grit::leading_effect(grit::paired_effects(std::span(pairs).first(look), 3));
    if (effect.ci_low > 0 || effect.ci_high < 0) break;
  }
  return effect;
}

struct Machine {
  const char* name;
  double autocorrelation, drift, heavy_tails;
};
constexpr Machine kMachines[]{
    {"white noise", 0, 0, 0}, {"between steps AR 0.9", 0.9, 0, 0}, {"AR 0.9, drift, heavy tails", 0.9, 0.3, 0.02}};

void slower_in_a_run(ClaimsTable& table, int repetitions) {
  for (const bool looks : {false, true})
    for (const Machine& machine : kMachines) {
      SimulationSettings settings{.pairs = 16,
                                  .autocorrelation = machine.autocorrelation,
                                  .drift = machine.drift,
                                  .heavy_tails = machine.heavy_tails};
      Count slower{.of = repetitions}, no_slower{.of = repetitions};
      std::mt19937_64 random(20);
      for (int i = 0; i < repetitions; ++i) {
        const auto none = last_effect(grit::testing::simulate_run(random, settings), looks);
        slower.wrong += none.ci_low > 0 || none.ci_high < 0 ? 1 : 0;
        SimulationSettings slow = settings;
        slow.slowdown = 0.2;
        slower.right += last_effect(grit::testing::simulate_run(random, slow), looks).ci_low > 0 ? 1 : 0;
        slow.slowdown = 0.05;
        no_slower.wrong += last_effect(grit::testing::simulate_run(random, slow), looks).ci_high < 0.05 ? 1 : 0;
        no_slower.right += none.ci_high < 0.05 ? 1 : 0;
      }
      const std::string name = fmt::format("{}, {}", looks ? "looks at 8, 12, 16 pairs" : "8 pairs", machine.name);
      table.row("slower", name, 0, kAlpha, slower, true);
      table.row("no slower", name, 0, kAlpha / 2, no_slower, true);
    }
}

void failed_checks(ClaimsTable& table, int repetitions) {
  using grit::testing::Checks;
  for (const int checks : {4, 64, 1024}) {
    const int count = std::max(200, 4 * repetitions / checks);
    const auto row = [&](const char* name, Checks settings, bool harmed) {
      settings.checks = checks;
      std::mt19937_64 random(22);
      Count found{.of = count};
      for (int i = 0; i < count; ++i) {
        const auto p = grit::p_among_all(grit::testing::simulate_checks(random, settings));
        found.wrong += *std::min_element(p.begin() + (harmed ? 1 : 0), p.end()) <= kAlpha ? 1 : 0;
        found.right += harmed && p.front() <= kAlpha ? 1 : 0;
      }
      table.row("a check failed", name, checks, kAlpha, found, harmed);
    };
    row("5 % of readings fail whatever happens", {}, false);
    row("20 %, in spells of 12 readings", {.fails = 0.2, .spells = true}, false);
    row("20 %, in spells of all checks at once", {.fails = 0.2, .spells = true, .common = true}, false);
    row("0.1 %, one fails in most readings of the fault", {.fails = 0.001, .harm = 0.7}, true);
  }
}

/// Runs of two days of which the new ones are slower by `shift`; a run has three blocks that differ by 0.5 %.
grit::Comparison two_days(std::mt19937_64& random, int runs, double autocorrelation, bool heavy, bool by_turns,
                          double shift) {
  Wanderer wanderer(random, autocorrelation, heavy);
  std::normal_distribution<double> within(0, 0.005);
  std::vector<grit::ComparedRun> sides[2];
  for (int i = 0; i < 2 * runs; ++i) {
    const int side = by_turns ? i % 2 : i / runs;
    grit::ComparedRun run;
    run.directory = fmt::format("run{}", i);
    run.started_utc = fmt::format("{:03}", i);
    const double level = 0.02 * wanderer.next() + (side == 1 ? std::log1p(shift) : 0);
    for (int block = 0; block < 3; ++block) {
      const double time_ns = 1e7 * std::exp(level + within(random));
      run.baseline.push_back({block, time_ns, time_ns});
    }
    sides[side].push_back(std::move(run));
  }
  return grit::compare_runs(sides[0], sides[1], 0.05);
}

void slower_than_yesterday(ClaimsTable& table, int repetitions) {
  for (const int runs : {3, 4, 6})
    for (const bool by_turns : {false, true})
      for (const auto& [name, autocorrelation, heavy, claimed] :
           {std::tuple{"independent", 0.0, false, true}, std::tuple{"heavy tails", 0.0, true, true},
            std::tuple{"AR 0.5", 0.5, false, true}, std::tuple{"AR 0.8", 0.8, false, by_turns}}) {
        const int count = std::min(repetitions, 1000);
        Count slower{.of = count}, same{.of = count};
        std::mt19937_64 random(24);
        for (int i = 0; i < count; ++i) {
          const auto none = two_days(random, runs, autocorrelation, heavy, by_turns, 0);
          slower.wrong += none.mean.ci_low > 0 || none.mean.ci_high < 0 ? 1 : 0;
          const auto slow = two_days(random, runs, autocorrelation, heavy, by_turns, 0.1);
          slower.right += slow.change == grit::Change::slower ? 1 : 0;
          const auto border = two_days(random, runs, autocorrelation, heavy, by_turns, 0.05);
          same.wrong += border.change == grit::Change::none ? 1 : 0;
          same.right += none.change == grit::Change::none ? 1 : 0;
        }
        const std::string noise =
            fmt::format("{0} + {0} runs {1}, {2}", runs, by_turns ? "by turns" : "one day after the other", name);
        table.row("than yesterday", noise, 0, claimed ? kAlpha : -1, slower, true);
        table.row("as yesterday", noise, 0, claimed ? kAlpha : -1, same, true);
      }
}

void this_rank(ClaimsTable& table, int repetitions) {
  for (const int ranks : {4, 64, 1024}) {
    const auto row = [&](const std::string& name, Days days, double claim) {
      days.ranks = ranks;
      const int eight = days.before + days.after > 10 ? 4 : 1;
      const int count = std::max(60, static_cast<int>(2 * repetitions / std::sqrt(ranks)) / eight);
      std::mt19937_64 random(21);
      Count named{.of = count};
      for (int i = 0; i < count; ++i) {
        const auto runs = grit::testing::simulate_days(random, days);
        const auto found = grit::locate(old_runs(runs, days), new_runs(runs, days), {});
        if (!found || found->where != grit::Location::Where::place) continue;
        (found->node == days.slow_node ? named.right : named.wrong) += 1;
      }
      table.row("this rank", name, ranks, claim, named, days.slow_node >= 0);
    };
    row("all 2 % slower, 4 + 4 runs", {.multiplied = 0.02}, kAlpha);
    row("the same, 3 + 3 runs", {.before = 3, .after = 3, .multiplied = 0.02}, kAlpha);
    row("heavy tails, common factors", {.heavy_tails = true, .common = 0.02, .multiplied = 0.02}, kAlpha);
    row("unequal machines, all 10 % slower, common factors", {.common = 0.02, .unequal = true, .multiplied = 0.1},
        kAlpha);
    row("ranks wander, AR 0.5, 4 + 4 runs", {.autocorrelation = 0.5, .multiplied = 0.02}, kAlpha);
    row("ranks wander, AR 0.5, 8 + 8 runs", {.before = 8, .after = 8, .autocorrelation = 0.5, .multiplied = 0.02},
        kAlpha);
    row("ranks wander, AR 0.8, 8 + 8 runs", {.before = 8, .after = 8, .autocorrelation = 0.8, .multiplied = 0.02}, -1);
    row("one node 10 % slower, 4 + 4 runs", {.slow_node = 1, .slow_ns = 1e6}, kAlpha);
    row("the same, ranks wander, AR 0.5", {.autocorrelation = 0.5, .slow_node = 1, .slow_ns = 1e6}, kAlpha);
    row("the same, heavy tails, common factors", {.heavy_tails = true, .common = 0.02, .slow_node = 1, .slow_ns = 1e6},
        kAlpha);
  }
}

/// Of a node that was named rightly, the phase.
void this_phase(ClaimsTable& table, int repetitions) {
  for (const int ranks : {4, 64}) {
    const Days days{.ranks = ranks, .slow_node = 1, .slow_ns = 1e6, .phase_noise = 0.01, .backward_only = true};
    std::mt19937_64 random(25);
    Count named;
    for (int i = 0; i < repetitions / 4; ++i) {
      const auto runs = grit::testing::simulate_days(random, days);
      const auto found = grit::locate(old_runs(runs, days), new_runs(runs, days), {});
      if (!found || found->where != grit::Location::Where::place) continue;
      ++named.of;
      (found->phase == "backward" ? named.right : named.wrong) += 1;
    }
    if (named.of > 0) table.row("this phase", "one node's backward 10 % of a step longer", ranks, kAlpha, named, true);
  }
}

void went_with_it(ClaimsTable& table, int repetitions) {
  for (const int machines : {4, 64})
    for (const double autocorrelation : {0.0, 0.5}) {
      std::mt19937_64 random(26);
      Count shown{.of = std::max(100, repetitions / machines)};
      const std::vector<std::size_t> places{0, 1, 2, 3, 4, 5, 6, 7};
      for (int i = 0; i < shown.of; ++i)
        for (const bool loaded : {false, true}) {
          std::vector<grit::MachineLoads> runs(8);
          for (int node = 0; node < machines; ++node)
            for (std::size_t kind = 0; kind < grit::kLoadKinds.size(); ++kind) {
              Wanderer wanderer(random, autocorrelation, true);
              for (std::size_t run = 0; run < runs.size(); ++run)
                runs[run][node][kind] = (kind == grit::kClock ? 3e9 : 1) * (1 + 0.1 * wanderer.next()) +
                                        (loaded && node == 1 && kind == 0 && run >= 4 ? 1 : 0);
            }
          const auto shifts = grit::machine_shifts(std::span(runs).first(4), std::span(runs).subspan(4), places, true);
          if (!loaded) shown.wrong += shifts.front().shown ? 1 : 0;
          if (loaded) shown.right += shifts.front().shown && shifts.front().node == 1 ? 1 : 0;
        }
      table.row("a load went with", fmt::format("4 + 4 runs, 7 loads, heavy tails, AR {}", autocorrelation), machines,
                kAlpha, shown, true);
    }
}

void changed_since(ClaimsTable& table, int repetitions) {
  for (const bool blocks : {false, true})
    for (const std::size_t values : {8U, 16U, 32U}) {
      if (blocks && values == 8) continue;  // too few
      for (const auto& [name, autocorrelation, heavy, claimed] :
           {std::tuple{"independent", 0.0, false, true}, std::tuple{"heavy tails", 0.0, true, true},
            std::tuple{"AR 0.3", 0.3, false, true}, std::tuple{"AR 0.5", 0.5, false, true},
            std::tuple{"AR 0.8", 0.8, false, false}}) {
        std::mt19937_64 random(27);
        Count found{.of = std::max(100, repetitions / static_cast<int>(values / 4))};
        const auto shown = [&](const std::vector<double>& series, std::size_t place) {
          const auto changes = blocks ? grit::changes_of_blocks(series) : grit::change_points(series);
          return std::any_of(changes.begin(), changes.end(), [&](const grit::ChangePoint& change) {
            return !change.wandering && (place == 0 || change.first == place);
          });
        };
        for (int i = 0; i < found.of; ++i) {
          Wanderer wanderer(random, autocorrelation, heavy);
          std::vector<double> series(values);
          for (double& value : series) value = wanderer.next();
          found.wrong += shown(series, 0) ? 1 : 0;
          for (std::size_t k = values / 2; k < values; ++k) series[k] += 5;
          found.right += shown(series, values / 2) ? 1 : 0;
        }
        table.row("changed since", fmt::format("{} {}, {}; 5 spreads", values, blocks ? "blocks" : "runs", name), 0,
                  claimed ? (blocks ? 0.01 : kAlpha) : -1, found, true);
      }
    }
}

void newest_runs(ClaimsTable& table, int repetitions) {
  for (const auto& [name, autocorrelation, heavy] :
       {std::tuple{"independent", 0.0, false}, std::tuple{"heavy tails", 0.0, true}, std::tuple{"AR 0.5", 0.5, false}})
    for (const std::size_t values : {8U, 16U, 64U}) {
      std::mt19937_64 random(23);
      Count outside{.of = repetitions};
      for (int i = 0; i < repetitions; ++i) {
        Wanderer wanderer(random, autocorrelation, heavy);
        std::vector<double> series(values);
        for (double& value : series) value = wanderer.next();
        const auto is_outside = [&] {
          const auto newest = grit::compare_newest(series, 2, grit::kNewestAlpha);
          return std::any_of(newest.begin(), newest.end(),
                             [](const grit::Newest& one) { return std::abs(one.shift) > one.half_width; });
        };
        outside.wrong += is_outside() ? 1 : 0;
        series[values - 1] += 5, series[values - 2] += 5;
        outside.right += is_outside() ? 1 : 0;
      }
      table.row("newest runs", fmt::format("{} runs, {}; 2 by 5 spreads", values, name), 0, kAlpha, outside, true);
    }
}

struct Section {
  const char* statement;
  void (*measure)(ClaimsTable& table, int repetitions);
};
constexpr Section kSections[]{
    {"slower", slower_in_a_run}, {"check", failed_checks}, {"yesterday", slower_than_yesterday},
    {"rank", this_rank},         {"phase", this_phase},    {"load", went_with_it},
    {"changed", changed_since},  {"newest", newest_runs}};

}  // namespace

int main(int argc, char** argv) {
  const int repetitions = argc > 1 ? std::atoi(argv[1]) : 2000;
  const std::string_view only = argc > 2 ? argv[2] : "";
  const bool known = only.empty() || std::any_of(std::begin(kSections), std::end(kSections),
                                                 [&](const Section& one) { return one.statement == only; });
  if (repetitions <= 0 || !known) {
    fmt::print(stderr,
               "usage: bench_calibration [REPETITIONS [STATEMENT]]; REPETITIONS: a whole number above 0; "
               "STATEMENT:");
    for (const Section& one : kSections) fmt::print(stderr, " {}", one.statement);
    fmt::print(stderr, "\n");
    return 64;
  }
  ClaimsTable table;
  for (const Section& one : kSections)
    if (only.empty() || only == one.statement) one.measure(table, repetitions);
  fmt::print("\n95 % intervals of Clopper and Pearson. Claim \"none\": stated to be beyond the claim.\n");
  return table.above() > 0 ? 1 : 0;
}
