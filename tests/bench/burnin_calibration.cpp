// What the judgement of a burn-in claims against what it does: how often a healthy fleet has any node called bad, how
// many of the bad ones are found, and how many are left unclear, beside the rules that are common ("5 % below the
// median", "the worst 1 %"). Fleets are simulated; the same numbers every time.
//
//   bench_burnin_calibration [FLEETS [small|large|few]]     of the smallest fleets, default 2000; of those of 4,096
//                                                           nodes a twentieth
//
// Exit code 1: the whole interval of some row is above its claim.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/stats/median.hpp"
#include "tests/bench/claims.hpp"
#include "tests/unit/analysis/simulated_fleet.hpp"

namespace {

using grit::BurninFinding;
using grit::BurninStatus;
using grit::bench::rate_text;
using grit::testing::FleetSettings;
using grit::testing::FleetSpread;
using grit::testing::SimulatedFleet;

constexpr double kClaim = 0.01;

struct Outcome {
  int fleets = 0, with_false = 0;  // false: a healthy node is called bad
  long found = 0, bad = 0;
  long unclear_healthy = 0, unclear_bad = 0, suspected = 0, healthy = 0;
  int rule_with_false = 0, worst_with_false = 0;
  long rule_found = 0, rule_false = 0, worst_found = 0, worst_false = 0;
};

/// By the nodes' base visits, as others do: a node whose middle is 5 % below the median, and the worst hundredth.
void apply_rules(const SimulatedFleet& fleet, std::size_t bad, std::size_t nodes, Outcome& outcome) {
  std::vector<std::vector<double>> values(nodes);
  for (const auto& one : fleet.observations())
    if (!one.confirms) values[static_cast<std::size_t>(std::atoi(one.host.c_str() + 1))].push_back(one.value);
  std::vector<double> middles;
  for (const auto& own : values) middles.push_back(grit::median(own));
  const double middle = grit::median(middles);
  std::vector<double> sorted = middles;
  std::sort(sorted.begin(), sorted.end());
  const std::size_t worst = std::max<std::size_t>(1, nodes / 100);
  long rule_false = 0, worst_false = 0;
  for (std::size_t i = 0; i < nodes; ++i) {
    const bool by_rule = middles[i] < 0.95 * middle, by_worst = middles[i] <= sorted[worst - 1];
    (i < bad ? outcome.rule_found : rule_false) += by_rule ? 1 : 0;
    (i < bad ? outcome.worst_found : worst_false) += by_worst ? 1 : 0;
  }
  outcome.rule_false += rule_false, outcome.worst_false += worst_false;
  outcome.rule_with_false += rule_false > 0 ? 1 : 0, outcome.worst_with_false += worst_false > 0 ? 1 : 0;
}

void add_fleet(std::mt19937_64& random, const FleetSettings& settings, Outcome& outcome) {
  SimulatedFleet fleet(random, settings);
  const auto findings = fleet.burn_in();
  const std::size_t bad = settings.slower.size();
  bool any_false = false;
  for (const BurninFinding& one : findings) {
    const bool is_bad = static_cast<std::size_t>(std::atoi(one.host.c_str() + 1)) < bad;
    ++outcome.suspected;
    if (one.status == BurninStatus::shown) is_bad ? ++outcome.found : (any_false = true, 0);
    if (one.status == BurninStatus::unclear || one.status == BurninStatus::suspect)
      ++(is_bad ? outcome.unclear_bad : outcome.unclear_healthy);
  }
  ++outcome.fleets;
  outcome.with_false += any_false ? 1 : 0;
  outcome.bad += static_cast<long>(bad), outcome.healthy += static_cast<long>(settings.nodes - bad);
  apply_rules(fleet, bad, settings.nodes, outcome);
}

Outcome simulate(const FleetSettings& settings, int fleets) {
  std::mt19937_64 random(7);
  Outcome outcome;
  for (int i = 0; i < fleets; ++i) add_fleet(random, settings, outcome);
  return outcome;
}

/// Of fewer nodes tails cannot be seen: those of Student's t with 8 degrees of freedom are assumed, and what has
/// heavier ones, or two kinds of nodes, is beyond the claim.
constexpr std::size_t kTailsSeen = 200;

struct Fleet {
  const char* name;
  FleetSettings settings;

  [[nodiscard]] bool is_beyond_claim(std::size_t nodes) const {
    const FleetSpread spread = settings.spread;
    return nodes < kTailsSeen && (spread == FleetSpread::student3 || spread == FleetSpread::exponential ||
                                  (spread == FleetSpread::two_levels && nodes < 30));
  }
};

std::vector<Fleet> fleets_of() {
  const auto with = [](FleetSpread spread, double size) {
    FleetSettings settings;
    settings.spread = spread, settings.spread_size = size;
    if (spread != FleetSpread::two_levels) settings.assumed_spread = std::max(size, 0.005);
    return settings;
  };
  std::vector<Fleet> fleets{{"nodes alike", with(FleetSpread::none, 0)},
                            {"normal 0.5 %", with(FleetSpread::normal, 0.005)},
                            {"normal 1.2 % (range of 8 %)", with(FleetSpread::normal, 0.012)},
                            {"Student's t, 8 degrees, 1.2 %", with(FleetSpread::student8, 0.012)},
                            {"Student's t, 3 degrees, 1.2 %", with(FleetSpread::student3, 0.012)},
                            {"exponential tail, 1.2 %", with(FleetSpread::exponential, 0.012)},
                            {"a fifth 3 % slower", with(FleetSpread::two_levels, 0.03)},
                            {"a fifth 6 % slower", with(FleetSpread::two_levels, 0.06)}};
  Fleet drift{"normal 0.5 %, all drift 2 % a visit", with(FleetSpread::normal, 0.005)};
  drift.settings.drift = 0.02;
  Fleet wander{"normal 0.5 %, noise AR 0.5", with(FleetSpread::normal, 0.005)};
  wander.settings.noise_autocorrelation = 0.5;
  Fleet slow{"normal 0.5 %, noise 3 %, AR 0.5", wander.settings};
  slow.settings.noise = 0.03;
  Fleet stalls{"normal 0.5 %, a visit in 10 stalls", with(FleetSpread::normal, 0.005)};
  stalls.settings.stalls = 0.1;
  Fleet unlike{"normal 1.2 %, 0.5 % assumed", with(FleetSpread::normal, 0.012)};
  unlike.settings.assumed_spread = 0.005;
  for (const Fleet& one : {unlike, drift, wander, slow, stalls}) fleets.push_back(one);
  return fleets;
}

/// Rows whose whole interval is above the claim.
int healthy_table(const std::vector<std::size_t>& sizes, int fleets_of_smallest) {
  fmt::print(
      "\nhealthy fleets: any node called bad (claimed: at most {:.0f} %)\n{:<38}{:>6}{:>8}  {:<24}{:>16}{:>16}   {}\n",
      100 * kClaim, "fleet", "nodes", "fleets", "any called bad", "suspects", "left unclear",
      "any by '5 % below the median'");
  int above = 0;
  for (const Fleet& fleet : fleets_of()) {
    for (const std::size_t nodes : sizes) {
      FleetSettings settings = fleet.settings;
      settings.nodes = nodes;
      const int fleets = std::max(20, nodes <= 8     ? fleets_of_smallest
                                      : nodes <= 64  ? fleets_of_smallest / 2
                                      : nodes <= 512 ? fleets_of_smallest / 5
                                                     : fleets_of_smallest / 20);
      const Outcome outcome = simulate(settings, fleets);
      const bool is_above = grit::share_at_least(outcome.with_false, outcome.fleets, 0.025) > kClaim;
      const bool beyond = fleet.is_beyond_claim(nodes);
      above += is_above && !beyond ? 1 : 0;
      fmt::print("{:<38}{:>6}{:>8}  {:<24}{:>14.2f} %{:>14.3f} %   {}{}\n", fleet.name, nodes, fleets,
                 rate_text(outcome.with_false, outcome.fleets),
                 100.0 * static_cast<double>(outcome.suspected) / static_cast<double>(outcome.healthy),
                 100.0 * static_cast<double>(outcome.unclear_healthy) / static_cast<double>(outcome.healthy),
                 rate_text(outcome.rule_with_false, outcome.fleets),
                 beyond     ? "  beyond the claim"
                 : is_above ? "  ABOVE ITS CLAIM"
                            : "");
      std::fflush(stdout);
    }
  }
  return above;
}

std::string of(long count, long all) {
  return all > 0 ? fmt::format("{:.0f} %", 100.0 * static_cast<double>(count) / static_cast<double>(all)) : "-";
}

void recall_row(const std::string& name, const FleetSettings& settings, const std::string& bad, int fleets) {
  const Outcome outcome = simulate(settings, fleets);
  const double count = outcome.fleets;
  fmt::print("{:<34}{:>6}{:>20}{:>8} | {:>7}{:>9}{:>18} | {:>7}{:>10.1f} | {:>7}{:>10.1f}\n", name, settings.nodes, bad,
             outcome.fleets, of(outcome.found, outcome.bad), of(outcome.unclear_bad, outcome.bad),
             rate_text(outcome.with_false, outcome.fleets), of(outcome.rule_found, outcome.bad),
             static_cast<double>(outcome.rule_false) / count, of(outcome.worst_found, outcome.bad),
             static_cast<double>(outcome.worst_false) / count);
  std::fflush(stdout);
}

void recall_head() {
  fmt::print(
      "\nbad nodes: found, left unclear; fleets with a false one; false ones a fleet of the common rules\n"
      "{:<34}{:>6}{:>20}{:>8} | {:>7}{:>9}{:>18} | {:>17} | {:>17}\n",
      "fleet", "nodes", "bad", "fleets", "found", "unclear", "any false", "5 % below median", "worst 1 %");
}

void recall_of_large(int fleets) {
  recall_head();
  for (const Fleet& fleet : fleets_of()) {
    if (fleet.settings.noise > 0.01 || fleet.settings.drift > 0 || fleet.settings.stalls > 0) continue;
    for (const double slower : {0.02, 0.05, 0.1, 0.2}) {
      FleetSettings settings = fleet.settings;
      settings.nodes = 4096;
      settings.slower.assign(5, -std::log1p(-slower));
      recall_row(fleet.name, settings, fmt::format("5 of {:.0f} %", 100 * slower), fleets);
    }
    for (const int count : {0, 1, 40}) {
      FleetSettings settings = fleet.settings;
      settings.nodes = 4096;
      for (int i = 0; i < count; ++i)
        settings.slower.push_back(-std::log1p(-(count == 1 ? 0.1 : 0.02 + 0.18 * i / (count - 1))));
      recall_row(fleet.name, settings, count == 0 ? "0" : count == 1 ? "1 of 10 %" : "40 of 2 to 20 %", fleets);
    }
  }
}

void recall_of_few(int fleets) {
  recall_head();
  for (const double noise : {0.005, 0.01, 0.015, 0.02}) {
    for (const double slower : {0.02, 0.05, 0.1}) {
      FleetSettings settings;
      settings.spread = FleetSpread::none, settings.noise = noise, settings.rounds = 4;
      settings.slower = {-std::log1p(-slower)};
      recall_row(fmt::format("nodes alike, noise {:.1f} %", 100 * noise), settings,
                 fmt::format("1 of {:.0f} %", 100 * slower), fleets);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int fleets = argc > 1 ? std::atoi(argv[1]) : 2000;
  const std::string_view which = argc > 2 ? argv[2] : "";
  int above = 0;
  if (which.empty() || which == "few") recall_of_few(std::max(fleets / 10, 10));
  if (which.empty() || which == "small") above += healthy_table({8, 64}, fleets);
  if (which.empty() || which == "large") {
    above += healthy_table({512, 4096}, fleets);
    recall_of_large(std::max(fleets / 100, 5));
  }
  fmt::print("\n{} rows above their claim\n", above);
  return above > 0 ? 1 : 0;
}
