// What the judgement of a burn-in claims against what it does. Fleets are simulated; the same numbers every time.
//
//   bench_burnin_calibration [PART [SHARE]]    healthy, stated, bad, few, edge or links; default all. SHARE: so many of
//                                              the fleets of each row, default 1 (some 15 minutes of one core)
//
// Claims, of one burn-in: (i) any healthy node is called bad in at most 1 of 100, whatever the tail of the fleet, if
// the config states no spread, or if what it states is so; (ii) any node that is truly within the tolerance is called
// bad or set apart in at most 1 of 100; (iii) at most 1 of 20 nodes that are clearly further than both the tolerance
// and the bound of the normal distribution is good in the end. Beside them the rules that are common: "5 % below the
// median" and "the worst 1 %", and how many are set apart, which no claim bounds.
//
// Exit code 1: the whole interval of some row, or of all rows of one size together, is above its claim.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/burnin/peers.hpp"
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

constexpr double kClaim = 0.01, kLiveClaim = 0.05;
constexpr double kTolerance = 0.03046;  // of the measure "compute", as a logarithm

struct Outcome {
  int fleets = 0, with_false = 0;       // false: a healthy node is called bad
  int with_apart = 0, with_within = 0;  // a healthy one set apart; one within the tolerance set apart or called bad
  long healthy = 0, apart_healthy = 0, unclear_healthy = 0;
  long bad = 0, found = 0, apart_bad = 0, unclear_bad = 0, live_bad = 0;
  long clearly_bad = 0, clearly_live = 0;  // further than the tolerance and the normal bound
  long suspected = 0, fresh = 0;           // fresh: visits of suspects and of those beside them
  int rule_with_false = 0, worst_with_false = 0;
  long rule_found = 0, rule_false = 0, worst_found = 0, worst_false = 0;
};

bool is_above(long wrong, long all, double claim) {
  return all > 0 && grit::share_at_least(static_cast<int>(wrong), static_cast<int>(all), 0.025) > claim;
}

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

/// Further than the tolerance by three standard errors of the first measurement, and two per cent further than where
/// the slowest of so many is expected to end if they were normal.
double clearly_slow(const std::vector<double>& healthy, double error) {
  std::vector<double> off = healthy;
  const double middle = grit::median(healthy);
  for (double& one : off) one = std::abs(one - middle);
  const double scale = std::hypot(1.4826 * grit::median(off), healthy.size() >= 200 ? error : 0.0);
  const grit::BurninPeers peers{.variance = scale * scale, .degrees = 4 + static_cast<double>(healthy.size()) / 3};
  double bound = 0;
  while (scale > 0 && grit::expected_as_far(peers, bound, healthy.size()) > 0.05) bound += 0.0005;
  return middle + std::max(kTolerance + 3 * error, bound + 0.02);
}

void add_fleet(std::mt19937_64& random, const FleetSettings& settings, Outcome& outcome) {
  SimulatedFleet fleet(random, settings);
  const std::size_t bad = settings.slower.size();
  std::vector<double> offsets;
  for (std::size_t i = bad; i < settings.nodes; ++i) offsets.push_back(fleet.offset(i));
  // Of few nodes none is its own peer.
  const auto middle_for = [&, all = grit::median(offsets)](std::size_t i) {
    if (settings.nodes >= 30) return all;
    std::vector<double> others;
    for (std::size_t j = 0; j < settings.nodes; ++j)
      if (j != i) others.push_back(fleet.offset(j));
    return grit::median(others);
  };
  std::vector<BurninStatus> status(settings.nodes, BurninStatus::clear);
  for (const BurninFinding& one : fleet.burn_in()) {
    status[static_cast<std::size_t>(std::atoi(one.host.c_str() + 1))] = one.status;
    ++outcome.suspected;
  }
  bool any_false = false, any_apart = false, any_within = false;
  const double clearly = bad > 0 ? clearly_slow(offsets, 0.67 * settings.noise) : 0;
  for (std::size_t i = 0; i < settings.nodes; ++i) {
    const bool is_bad = i < bad, is_shown = status[i] == BurninStatus::shown,
               is_apart = status[i] == BurninStatus::apart,
               is_live = status[i] == BurninStatus::clear || status[i] == BurninStatus::cleared;
    any_within = any_within || ((is_shown || is_apart) && fleet.offset(i) - middle_for(i) <= kTolerance);
    any_false = any_false || (is_shown && !is_bad), any_apart = any_apart || (is_apart && !is_bad);
    outcome.found += is_shown && is_bad ? 1 : 0;
    (is_bad ? outcome.apart_bad : outcome.apart_healthy) += is_apart ? 1 : 0;
    (is_bad ? outcome.unclear_bad : outcome.unclear_healthy) += !is_live && !is_shown && !is_apart ? 1 : 0;
    outcome.live_bad += is_bad && is_live ? 1 : 0;
    const bool is_clear_case = is_bad && fleet.offset(i) > clearly;
    outcome.clearly_bad += is_clear_case ? 1 : 0, outcome.clearly_live += is_clear_case && is_live ? 1 : 0;
  }
  ++outcome.fleets;
  outcome.with_false += any_false ? 1 : 0, outcome.with_apart += any_apart ? 1 : 0;
  outcome.with_within += any_within ? 1 : 0;
  outcome.bad += static_cast<long>(bad), outcome.healthy += static_cast<long>(settings.nodes - bad);
  for (const auto& one : fleet.observations()) outcome.fresh += one.confirms ? 1 : 0;
  apply_rules(fleet, bad, settings.nodes, outcome);
}

Outcome simulate(const FleetSettings& settings, int fleets) {
  std::mt19937_64 random(7);
  Outcome outcome;
  for (int i = 0; i < fleets; ++i) add_fleet(random, settings, outcome);
  return outcome;
}

struct Fleet {
  std::string name;
  FleetSettings settings;
  bool has_claim = true;
};

Fleet fleet_of(const std::string& name, FleetSpread spread, double size) {
  Fleet fleet{name, {}};
  fleet.settings.spread = spread, fleet.settings.spread_size = size;
  return fleet;
}

std::vector<Fleet> uneven_fleets() {
  return {fleet_of("nodes alike", FleetSpread::none, 0),
          fleet_of("normal 0.5 %", FleetSpread::normal, 0.005),
          fleet_of("normal 1.2 % (range of 8 %)", FleetSpread::normal, 0.012),
          fleet_of("normal 4 %", FleetSpread::normal, 0.04),
          fleet_of("Student's t, 8 degrees, 1.2 %", FleetSpread::student8, 0.012),
          fleet_of("Student's t, 3 degrees, 1.2 %", FleetSpread::student3, 0.012),
          fleet_of("Student's t, 2 degrees, 1.2 %", FleetSpread::student2, 0.012),
          fleet_of("exponential tail, 1.2 %", FleetSpread::exponential, 0.012),
          fleet_of("lognormal tail, 1.2 %", FleetSpread::lognormal, 0.012),
          fleet_of("a fifth 3 % slower", FleetSpread::two_levels, 0.03),
          fleet_of("a fifth 6 % slower", FleetSpread::two_levels, 0.06)};
}

void healthy_head(const char* what) {
  fmt::print("\n{}\n{:<36}{:>6}{:>8}  {:<24}{:<24}{:<24}{:>12}{:>12}{:>12}{:>14}   {}\n", what, "fleet", "nodes",
             "fleets", "any called bad", "any within tolerance", "any set apart", "apart", "not clear", "suspects",
             "fresh visits", "any by '5 % below the median'");
}

/// 1: above a claim.
int healthy_row(const Fleet& fleet, const Outcome& outcome) {
  const bool above = fleet.has_claim && (is_above(outcome.with_false, outcome.fleets, kClaim) ||
                                         is_above(outcome.with_within, outcome.fleets, kClaim));
  const auto a_fleet = [&](long count) { return static_cast<double>(count) / static_cast<double>(outcome.fleets); };
  fmt::print("{:<36}{:>6}{:>8}  {:<24}{:<24}{:<24}{:>12.2f}{:>12.2f}{:>12.1f}{:>14.0f}   {}{}\n", fleet.name,
             fleet.settings.nodes, outcome.fleets, rate_text(outcome.with_false, outcome.fleets),
             rate_text(outcome.with_within, outcome.fleets), rate_text(outcome.with_apart, outcome.fleets),
             a_fleet(outcome.apart_healthy), a_fleet(outcome.unclear_healthy), a_fleet(outcome.suspected),
             a_fleet(outcome.fresh), rate_text(outcome.rule_with_false, outcome.fleets),
             above             ? "  ABOVE ITS CLAIM"
             : fleet.has_claim ? ""
                               : "  no claim");
  std::fflush(stdout);
  return above ? 1 : 0;
}

int healthy_table(double share) {
  struct Size {
    std::size_t nodes;
    int fleets;
  };
  healthy_head("healthy fleets, no spread stated (counts a fleet)");
  int above = 0;
  for (const auto& [nodes, all] : {Size{4, 500}, Size{8, 500}, Size{29, 300}, Size{30, 300}, Size{64, 200},
                                   Size{199, 150}, Size{200, 200}, Size{512, 200}, Size{4096, 30}}) {
    int wrong = 0, within = 0, fleets = 0;
    for (Fleet fleet : uneven_fleets()) {
      fleet.settings.nodes = nodes;
      const Outcome outcome = simulate(fleet.settings, std::max(5, static_cast<int>(all * share)));
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

int stated_table(double share) {
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
      above += healthy_row(fleet, simulate(fleet.settings, std::max(5, static_cast<int>(all * share))));
    }
  }
  return above;
}

std::string of(long count, long all) {
  return all > 0 ? fmt::format("{:.0f} %", 100.0 * static_cast<double>(count) / static_cast<double>(all)) : "-";
}

void bad_head() {
  fmt::print(
      "\nbad nodes: what is said of them; of those clearly too slow how many go live; fleets with a healthy one called "
      "bad; false ones a fleet of the common rules\n"
      "{:<36}{:>6}{:>20}{:>8} | {:>6}{:>7}{:>11}{:>7}{:>14} | {:>22} | {:>17} | {:>17}\n",
      "fleet", "nodes", "bad", "fleets", "bad", "apart", "not clear", "live", "clearly, live", "any healthy called bad",
      "5 % below median", "worst 1 %");
}

int bad_row(const Fleet& fleet, const std::string& bad, int fleets) {
  const Outcome outcome = simulate(fleet.settings, fleets);
  const double count = outcome.fleets;
  const bool above = is_above(outcome.clearly_live, outcome.clearly_bad, kLiveClaim);
  fmt::print("{:<36}{:>6}{:>20}{:>8} | {:>6}{:>7}{:>11}{:>7}{:>14} | {:>22} | {:>7}{:>10.1f} | {:>7}{:>10.1f}{}\n",
             fleet.name, fleet.settings.nodes, bad, outcome.fleets, of(outcome.found, outcome.bad),
             of(outcome.apart_bad, outcome.bad), of(outcome.unclear_bad, outcome.bad),
             of(outcome.live_bad, outcome.bad), of(outcome.clearly_live, outcome.clearly_bad),
             rate_text(outcome.with_false, outcome.fleets), of(outcome.rule_found, outcome.bad),
             static_cast<double>(outcome.rule_false) / count, of(outcome.worst_found, outcome.bad),
             static_cast<double>(outcome.worst_false) / count, above ? "  ABOVE ITS CLAIM" : "");
  std::fflush(stdout);
  return above ? 1 : 0;
}

int bad_table(double share) {
  bad_head();
  int above = 0;
  for (const std::size_t nodes : {std::size_t{4096}, std::size_t{512}}) {
    const int fleets = std::max(3, static_cast<int>((nodes == 4096 ? 8 : 20) * share));
    for (const std::size_t which : {0U, 2U, 4U, 5U, 7U}) {
      Fleet fleet = uneven_fleets()[which];
      fleet.settings.nodes = nodes;
      for (const std::size_t count : {std::size_t{1}, std::size_t{5}, nodes / 102}) {
        for (const double slower : {0.02, 0.05, 0.1, 0.2}) {
          fleet.settings.slower.assign(count, -std::log1p(-slower));
          above += bad_row(fleet, fmt::format("{} of {:.0f} %", count, 100 * slower), count == 1 ? 2 * fleets : fleets);
        }
      }
    }
  }
  return above;
}

int few_table(double share) {
  bad_head();
  int above = 0;
  const int fleets = std::max(10, static_cast<int>(200 * share));
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
          above += bad_row(fleet, bad, nodes == 8 ? fleets : fleets / 4);
        }
      }
    }
  }
  return above;
}

/// The gap alone where it is exact: the largest values of a power law, and rounded ones.
int edge_table(double share) {
  fmt::print("\nthe gap alone: any value of a healthy fleet above one, at a level of 1 %\n{:<36}{:>6}{:>8}  {}\n",
             "fleet", "nodes", "fleets", "any");
  int above = 0;
  const int fleets = std::max(100, static_cast<int>(10000 * share));
  std::mt19937_64 random(7);
  std::exponential_distribution<double> exponential(1);
  std::normal_distribution<double> normal(0, 1);
  for (const std::size_t nodes : {std::size_t{200}, std::size_t{512}, std::size_t{4096}}) {
    const std::size_t top = nodes / 20 + static_cast<std::size_t>(std::ceil(std::sqrt(nodes) / 2)) + 1;
    for (const double step : {0.0, 0.03, 0.1, 0.3}) {
      int with_any = 0;
      const int all = step > 0 ? fleets / 10 : fleets;
      for (int i = 0; i < all; ++i) {
        std::vector<double> values(nodes, -1.0);
        double logarithm = 0;
        for (std::size_t k = top; step == 0 && k > 0; --k) {
          values[k - 1] = std::exp(logarithm / 3);
          if (k > 1) logarithm += exponential(random) / static_cast<double>(k - 1);
        }
        if (step > 0)
          for (double& value : values) value = step * std::round(normal(random) / step);
        const auto chances = grit::gap_chances(values, kClaim, step / 2);
        with_any += std::ranges::min(chances) <= kClaim ? 1 : 0;
      }
      const bool is_too_often = is_above(with_any, all, kClaim);
      above += is_too_often ? 1 : 0;
      fmt::print("{:<36}{:>6}{:>8}  {}{}\n",
                 step > 0 ? fmt::format("normal, rounded to {} s", step) : std::string("power law of index 3"), nodes,
                 all, rate_text(with_any, all), is_too_often ? "  ABOVE ITS CLAIM" : "");
      std::fflush(stdout);
    }
  }
  return above;
}

/// A fleet in pairs that are drawn anew each visit: rates of what a node sends and receives, which differ for good and
/// together. One look at those that stand out.
std::vector<BurninFinding> burn_in_of_links(std::mt19937_64& random, std::size_t nodes, std::size_t bad) {
  std::normal_distribution<double> normal(0, 1);
  grit::BurninConfig config;
  config.rounds = {{.name = "links", .kinds = {"link"}, .shape = grit::BurninShape::pair}};
  config.looks = 1;
  std::map<std::string, std::string> classes;
  std::vector<std::string> names;
  std::vector<double> sends, receives;
  for (std::size_t i = 0; i < nodes; ++i) {
    names.push_back(fmt::format("n{:04}", i));
    classes[names.back()] = "one class";
    const double both = normal(random);
    sends.push_back(0.03 * (std::sqrt(0.9) * both + std::sqrt(0.1) * normal(random)) + (i < bad ? 0.7 : 0));
    receives.push_back(0.03 * (std::sqrt(0.9) * both + std::sqrt(0.1) * normal(random)));
  }
  std::vector<grit::BurninObservation> observations;
  const auto pair = [&](std::size_t a, std::size_t b, int visit, bool confirms) {
    for (const auto& [from, to] : {std::pair(a, b), std::pair(b, a)})
      observations.push_back({.measure = "link_rate",
                              .host = names[from],
                              .peer = names[to],
                              .value = 1e9 * std::exp(-sends[from] - receives[to] - 0.01 * normal(random)),
                              .cell = fmt::format("links/{}/{}+{}", visit, a, b),
                              .visit = visit,
                              .confirms = confirms});
  };
  std::vector<std::size_t> order(nodes);
  for (std::size_t i = 0; i < nodes; ++i) order[i] = i;
  for (int visit = 0; visit < 3; ++visit) {
    std::shuffle(order.begin(), order.end(), random);
    for (std::size_t i = 0; i + 1 < nodes; i += 2) pair(order[i], order[i + 1], visit, false);
  }
  std::map<std::string, int> looks;
  const auto judge = [&] {
    return grit::judge_burnin({&config, &classes, nullptr, &observations, nullptr, "links", looks});
  };
  std::set<std::string> in_question;
  const auto suspects = judge();
  for (const BurninFinding& one : suspects) in_question.insert(one.host), in_question.insert(one.peer);
  std::vector<std::size_t> good;
  for (std::size_t i = 0; i < nodes; ++i)
    if (!in_question.contains(names[i])) good.push_back(i);
  const auto any_good = [&] { return good[std::uniform_int_distribution<std::size_t>(0, good.size() - 1)(random)]; };
  int visit = 3;
  for (const BurninFinding& one : suspects) {
    if (one.status != BurninStatus::suspect || good.size() < 4) continue;
    ++looks[grit::finding_key(one)];
    const auto host = static_cast<std::size_t>(std::atoi(one.host.c_str() + 1));
    for (int once = 0; once < 12; ++once, ++visit) {
      pair(host, one.peer.empty() ? any_good() : static_cast<std::size_t>(std::atoi(one.peer.c_str() + 1)), visit,
           true);
      const std::size_t a = any_good(), b = any_good();
      if (a != b) pair(a, b, visit, true);
    }
  }
  return judge();
}

int links_table(double share) {
  fmt::print(
      "\nlinks: what nodes send and receive differs by 3 %, correlated 0.9; bad ones send at half rate\n"
      "{:>6}{:>6}{:>8}  {:<28}{:>10}{:>10}{:>22}\n",
      "nodes", "bad", "fleets", "any healthy one called bad", "bad", "apart", "healthy apart, a fleet");
  int above = 0;
  for (const std::size_t nodes : {std::size_t{64}, std::size_t{512}}) {
    for (const std::size_t bad : {std::size_t{0}, std::size_t{1}, std::size_t{5}}) {
      std::mt19937_64 random(7);
      const int fleets = std::max(5, static_cast<int>((bad == 0 ? (nodes == 64 ? 200 : 80) : 15) * share));
      int with_false = 0;
      long found = 0, apart = 0, apart_healthy = 0;
      for (int i = 0; i < fleets; ++i) {
        bool any_false = false;
        for (const BurninFinding& one : burn_in_of_links(random, nodes, bad)) {
          const bool is_bad = one.peer.empty() && static_cast<std::size_t>(std::atoi(one.host.c_str() + 1)) < bad;
          any_false = any_false || (one.status == BurninStatus::shown && !is_bad);
          found += one.status == BurninStatus::shown && is_bad ? 1 : 0;
          (is_bad ? apart : apart_healthy) += one.status == BurninStatus::apart ? 1 : 0;
        }
        with_false += any_false ? 1 : 0;
      }
      const bool is_too_often = is_above(with_false, fleets, kClaim);
      above += is_too_often ? 1 : 0;
      const auto all = static_cast<long>(bad) * fleets;
      fmt::print("{:>6}{:>6}{:>8}  {:<28}{:>10}{:>10}{:>22.2f}{}\n", nodes, bad, fleets, rate_text(with_false, fleets),
                 of(found, all), of(apart, all), static_cast<double>(apart_healthy) / fleets,
                 is_too_often ? "  ABOVE ITS CLAIM" : "");
      std::fflush(stdout);
    }
  }
  return above;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view which = argc > 1 ? argv[1] : "";
  const double share = argc > 2 ? std::atof(argv[2]) : 1;
  const auto asked = [&](std::string_view part) { return which.empty() || which == "all" || which == part; };
  int above = 0;
  if (asked("edge")) above += edge_table(share);
  if (asked("few")) above += few_table(share);
  if (asked("links")) above += links_table(share);
  if (asked("stated")) above += stated_table(share);
  if (asked("bad")) above += bad_table(share);
  if (asked("healthy")) above += healthy_table(share);
  fmt::print("\n{} rows above their claim\n", above);
  return above > 0 ? 1 : 0;
}
