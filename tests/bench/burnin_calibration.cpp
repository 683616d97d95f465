// What the judgement of a burn-in claims against what it does. Fleets are simulated; the same numbers every time.
//
//   bench_burnin_calibration [PART [SHARE [NODES]]]
//
// PART: healthy, stated, bad, mixed, few, edge or links; default all. SHARE: so many of the fleets of each row, default
// 1. NODES: of healthy, bad and mixed only fleets of so many. All of it takes some 20 minutes of one core.
//
// Claims, of one burn-in: (i) any healthy node is called bad in at most 1 of 100, whatever the tail of the fleet, if
// the config states no spread, or if what it states is so; (ii) any node that is truly within the tolerance is called
// bad or set apart in at most 1 of 100; (iii) at most 1 of 20 nodes that are clearly further than both the tolerance
// and the bound of the normal distribution is good in the end. Beside them the rules that are common: "5 % below the
// median" and "the worst 1 %", and how many are set apart, which no claim bounds.
//
// Exit code 1: the whole interval of some row, or of all rows of one size together, is above its claim.
#include "tests/bench/burnin_calibration.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

namespace grit::bench {
namespace {

void healthy_head(const char* what) {
  fmt::print("\n{}\n{:<36}{:>6}{:>8}  {:<24}{:<24}{:<24}{:>12}{:>12}{:>12}{:>14}   {}\n", what, "fleet", "nodes",
             "fleets", "any called bad", "any within tolerance", "any set apart", "apart", "not clear", "suspects",
             "fresh visits", "any by '5 % below the median'");
}

/// 1: above a claim.
int healthy_row(const Fleet& fleet, const Outcome& outcome) {
  const bool above = fleet.has_claim && (is_above(outcome.with_false, outcome.fleets, kClaim) ||
                                         is_above(outcome.with_within, outcome.fleets, kClaim));
  fmt::print("{:<36}{:>6}{:>8}  {:<24}{:<24}{:<24}{:>12.2f}{:>12.2f}{:>12.1f}{:>14.0f}   {}{}\n", fleet.name,
             fleet.settings.nodes, outcome.fleets, rate_text(outcome.with_false, outcome.fleets),
             rate_text(outcome.with_within, outcome.fleets), rate_text(outcome.with_apart, outcome.fleets),
             outcome.a_fleet(outcome.healthy.apart), outcome.a_fleet(outcome.healthy.unclear),
             outcome.a_fleet(outcome.suspected), outcome.a_fleet(outcome.fresh),
             rate_text(outcome.rule_with_false, outcome.fleets),
             above             ? "  ABOVE ITS CLAIM"
             : fleet.has_claim ? ""
                               : "  no claim");
  std::fflush(stdout);
  return above ? 1 : 0;
}

}  // namespace

int healthy_table(const Asked& asked) {
  struct Size {
    std::size_t nodes;
    int fleets;
  };
  healthy_head("healthy fleets, no spread stated (counts a fleet)");
  int above = 0;
  for (const auto& [nodes, all] : {Size{4, 500}, Size{8, 500}, Size{29, 300}, Size{30, 300}, Size{64, 200},
                                   Size{199, 150}, Size{200, 200}, Size{512, 400}, Size{4096, 200}}) {
    if (!asked.has(nodes)) continue;
    int wrong = 0, within = 0, fleets = 0;
    for (Fleet fleet : uneven_fleets()) {
      fleet.settings.nodes = nodes;
      const Outcome outcome = simulate(fleet, std::max(5, static_cast<int>(all * asked.share)));
      above += healthy_row(fleet, outcome);
      wrong += outcome.with_false, within += outcome.with_within, fleets += outcome.fleets;
    }
    const bool is_too_often = is_above(wrong, fleets, kClaim) || is_above(within, fleets, kClaim);
    above += is_too_often ? 1 : 0;
    fmt::print("{:<36}{:>6}{:>8}  {:<24}{:<24}{}\n", "  all of these", nodes, fleets, rate_text(wrong, fleets),
               rate_text(within, fleets), is_too_often ? "  ABOVE ITS CLAIM" : "");
  }
  return above;
}

int stated_table(const Asked& asked) {
  std::vector<Fleet> fleets{uneven_fleets()[0], uneven_fleets()[1], uneven_fleets()[2], uneven_fleets()[4]};
  const Fleet normal = uneven_fleets()[1];
  Fleet drift = normal, wander = normal, noisy = normal, stalls = normal, rounded = normal;
  drift.name = "normal 0.5 %, all drift 2 % a visit", drift.settings.drift = 0.02;
  wander.name = "normal 0.5 %, noise AR 0.5", wander.settings.noise_autocorrelation = 0.5;
  noisy.name = "normal 0.5 %, noise 3 %, AR 0.5", noisy.settings.noise = 0.03;
  noisy.settings.noise_autocorrelation = 0.5;
  stalls.name = "normal 0.5 %, a visit in 10 stalls", stalls.settings.stalls = 0.1;
  rounded.name = "normal 0.5 %, figures of 3 digits", rounded.settings.digits = 3;
  for (const Fleet& one : {drift, wander, noisy, stalls, rounded}) fleets.push_back(one);
  for (const std::size_t wrongly : {std::size_t{5}, std::size_t{7}, std::size_t{10}}) {
    fleets.push_back(uneven_fleets()[wrongly]);
    fleets.back().has_claim = false;
  }
  healthy_head(
      "healthy fleets, their spread stated; no claim where tails are heavier than stated, or there are two kinds");
  int above = 0;
  for (Fleet fleet : fleets) {
    const bool is_two = fleet.settings.spread == FleetSpread::two_levels;
    fleet.settings.stated_spread = is_two ? 0.005 : std::max(0.005, fleet.settings.spread_size);
    for (const std::size_t nodes : {std::size_t{8}, std::size_t{64}, std::size_t{512}}) {
      fleet.settings.nodes = nodes;
      const int all = nodes == 8 ? 500 : nodes == 64 ? 300 : 100;
      above += healthy_row(fleet, simulate(fleet, std::max(5, static_cast<int>(all * asked.share))));
    }
  }
  return above;
}

}  // namespace grit::bench

int main(int argc, char** argv) {
  const std::string_view which = argc > 1 ? argv[1] : "all";
  grit::bench::Asked asked;
  if (argc > 2) asked.share = std::atof(argv[2]);
  if (argc > 3) asked.nodes = static_cast<std::size_t>(std::atol(argv[3]));
  struct Table {
    std::string_view name;
    int (*print)(const grit::bench::Asked&);
  };
  using namespace grit::bench;
  int above = 0;
  bool is_known = false;
  for (const Table& table :
       {Table{"edge", edge_table}, Table{"few", few_table}, Table{"links", links_table}, Table{"stated", stated_table},
        Table{"bad", bad_table}, Table{"mixed", mixed_table}, Table{"healthy", healthy_table}}) {
    if (which != "all" && which != table.name) continue;
    is_known = true;
    above += table.print(asked);
  }
  if (!is_known) {
    fmt::print(stderr, "no table is called {}\n", which);
    return 2;
  }
  fmt::print("\n{} rows above their claim\n", above);
  return above > 0 ? 1 : 0;
}
