// What is said of bad nodes in simulated fleets.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "tests/bench/burnin_calibration.hpp"

namespace grit::bench {
namespace {

/// Fleets in which nodes are bad.
std::vector<Fleet> fleets_with_bad(std::size_t nodes) {
  std::vector<Fleet> fleets;
  for (const std::size_t which : {0U, 2U, 4U, 5U, 7U}) {
    fleets.push_back(uneven_fleets()[which]);
    fleets.back().settings.nodes = nodes;
  }
  return fleets;
}

void bad_head() {
  fmt::print(
      "\nbad nodes: what is said of them; of those clearly too slow how many go live; fleets with a healthy one called "
      "bad; false ones a fleet of the common rules\n"
      "{:<36}{:>6}{:>20}{:>8} | {:>6}{:>7}{:>11}{:>7}{:>14} | {:>22} | {:>17} | {:>17}\n",
      "fleet", "nodes", "bad", "fleets", "bad", "apart", "not clear", "live", "clearly, live", "any healthy called bad",
      "5 % below median", "worst 1 %");
}

std::string said_text(const Said& said, const std::string& clearly_live) {
  return fmt::format("{:>6}{:>7}{:>11}{:>7}{:>14}", share_text(said.bad, said.nodes),
                     share_text(said.apart, said.nodes), share_text(said.unclear, said.nodes),
                     share_text(said.live, said.nodes), clearly_live);
}

int bad_row(const Fleet& fleet, const std::string& bad, const Outcome& outcome) {
  const bool above = is_above(outcome.clearly_live, outcome.clearly_bad, kLiveClaim) ||
                     is_above(outcome.with_false, outcome.fleets, kClaim);
  fmt::print("{:<36}{:>6}{:>20}{:>8} | {} | {:>22} | {:>7}{:>10.1f} | {:>7}{:>10.1f}{}\n", fleet.name,
             fleet.settings.nodes, bad, outcome.fleets,
             said_text(outcome.bad, share_text(outcome.clearly_live, outcome.clearly_bad)),
             rate_text(outcome.with_false, outcome.fleets), share_text(outcome.bad.by_rule, outcome.bad.nodes),
             outcome.a_fleet(outcome.healthy.by_rule), share_text(outcome.bad.by_worst, outcome.bad.nodes),
             outcome.a_fleet(outcome.healthy.by_worst), above ? "  ABOVE ITS CLAIM" : "");
  std::fflush(stdout);
  return above ? 1 : 0;
}

/// Of the bad nodes of the row before.
void band_rows(const Outcome& outcome) {
  for (std::size_t band = 0; band < kBands; ++band) {
    const Said& said = outcome.by_band.at(band);
    fmt::print("{:<36}{:>6}{:>20}{:>8} | {} | {:>22} | {:>7}{:>10} | {:>7}\n", "", "", kBandNames.at(band), said.nodes,
               said_text(said, ""), "", share_text(said.by_rule, said.nodes), "",
               share_text(said.by_worst, said.nodes));
  }
  std::fflush(stdout);
}

}  // namespace

int bad_table(const Asked& asked) {
  bad_head();
  int above = 0;
  for (const std::size_t nodes : {std::size_t{4096}, std::size_t{512}}) {
    if (!asked.has(nodes)) continue;
    const int fleets = std::max(3, static_cast<int>(20 * asked.share));
    for (Fleet& fleet : fleets_with_bad(nodes))
      for (const std::size_t count : {std::size_t{1}, std::size_t{5}, std::size_t{40}}) {
        if (count > nodes / 20) continue;  // a kind of their own
        for (const double slower : {0.02, 0.05, 0.1, 0.2}) {
          fleet.settings.slower.assign(count, -std::log1p(-slower));
          above += bad_row(fleet, fmt::format("{} of {:.0f} %", count, 100 * slower),
                           simulate(fleet, count == 1 ? 2 * fleets : fleets));
        }
      }
  }
  return above;
}

int mixed_table(const Asked& asked) {
  bad_head();
  fmt::print("slower by 2 to 20 %, drawn evenly; below each row by how much, with how many they are\n");
  int above = 0;
  for (const std::size_t nodes : {std::size_t{4096}, std::size_t{512}}) {
    if (!asked.has(nodes)) continue;
    for (Fleet& fleet : fleets_with_bad(nodes))
      for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{5}, std::size_t{40}}) {
        if (count > nodes / 20) continue;
        fleet.mixed = count;
        const Outcome outcome = simulate(fleet, std::max(3, static_cast<int>((count == 1 ? 60 : 30) * asked.share)));
        above += bad_row(fleet, fmt::format("{} of 2 to 20 %", count), outcome);
        if (count > 0) band_rows(outcome);
      }
  }
  return above;
}

int few_table(const Asked& asked) {
  bad_head();
  int above = 0;
  const int fleets = std::max(10, static_cast<int>(200 * asked.share));
  for (const bool is_stated : {true, false}) {
    for (const std::size_t nodes : {std::size_t{8}, std::size_t{64}}) {
      for (const double noise : {0.005, 0.01, 0.015, 0.02}) {
        Fleet fleet = fleet_of(fmt::format("alike, noise {:.1f} %{}", 100 * noise, is_stated ? ", stated" : ""),
                               FleetSpread::none, 0);
        fleet.settings.nodes = nodes, fleet.settings.noise = noise, fleet.settings.rounds = 4;
        if (is_stated) fleet.settings.stated_spread = 0.005;
        for (const auto& slower : {std::vector{0.02}, std::vector{0.05}, std::vector{0.1}, std::vector{0.05, 0.05},
                                   std::vector{0.2, 0.05}}) {
          fleet.settings.slower.clear();
          std::string bad;
          for (const double one : slower) {
            fleet.settings.slower.push_back(-std::log1p(-one));
            bad += fmt::format("{}{:.0f} %", bad.empty() ? "" : ", ", 100 * one);
          }
          above += bad_row(fleet, bad, simulate(fleet, nodes == 8 ? fleets : fleets / 4));
        }
      }
    }
  }
  return above;
}

}  // namespace grit::bench
