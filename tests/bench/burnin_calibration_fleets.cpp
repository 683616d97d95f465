// Simulated fleets, each through one round of a burn-in, and what came of their nodes.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>

#include "analysis/burnin/peers.hpp"
#include "analysis/stats/median.hpp"
#include "tests/bench/burnin_calibration.hpp"

namespace grit::bench {
namespace {

using testing::SimulatedFleet;

constexpr double kTolerance = 0.03046;  // of the measure "compute", as a logarithm

std::size_t number_of(const std::string& host) { return static_cast<std::size_t>(std::atoi(host.c_str() + 1)); }

std::size_t band_of(double slower) {
  const double share = -std::expm1(-slower);
  return share <= 0.0501 ? 0 : share <= 0.1001 ? 1 : 2;
}

/// Of each node, in which of these it is counted.
std::vector<Said*> kinds_of(Outcome& outcome, const FleetSettings& settings, std::size_t i) {
  if (i >= settings.slower.size()) return {&outcome.healthy};
  return {&outcome.bad, &outcome.by_band.at(band_of(settings.slower[i]))};
}

/// By the nodes' base visits, as others do: a node whose middle is 5 % below the median, and the worst hundredth.
void apply_rules(const SimulatedFleet& fleet, const FleetSettings& settings, Outcome& outcome) {
  std::vector<std::vector<double>> values(settings.nodes);
  for (const auto& one : fleet.observations())
    if (!one.confirms) values[number_of(one.host)].push_back(one.value);
  std::vector<double> middles;
  for (const auto& own : values) middles.push_back(median(own));
  const double middle = median(middles);
  std::vector<double> sorted = middles;
  std::sort(sorted.begin(), sorted.end());
  const std::size_t worst = std::max<std::size_t>(1, settings.nodes / 100);
  const long false_before = outcome.healthy.by_rule;
  for (std::size_t i = 0; i < settings.nodes; ++i)
    for (Said* said : kinds_of(outcome, settings, i)) {
      said->by_rule += middles[i] < 0.95 * middle ? 1 : 0;
      said->by_worst += middles[i] <= sorted[worst - 1] ? 1 : 0;
    }
  outcome.rule_with_false += outcome.healthy.by_rule > false_before ? 1 : 0;
}

/// Further than the tolerance by three standard errors of the first measurement, and two per cent further than where
/// the slowest of so many is expected to end if they were normal.
double clearly_slow(const std::vector<double>& healthy, double error) {
  std::vector<double> off = healthy;
  const double middle = median(healthy);
  for (double& one : off) one = std::abs(one - middle);
  const double scale = std::hypot(1.4826 * median(off), healthy.size() >= 200 ? error : 0.0);
  const BurninPeers peers{.variance = scale * scale, .degrees = 4 + static_cast<double>(healthy.size()) / 3};
  double bound = 0;
  while (scale > 0 && expected_as_far(peers, bound, healthy.size()) > 0.05) bound += 0.0005;
  return middle + std::max(kTolerance + 3 * error, bound + 0.02);
}

/// The middle of the healthy nodes' own speeds that a node is held against: of few nodes none is its own peer.
class TrueMiddles {
 public:
  TrueMiddles(const SimulatedFleet& fleet, const FleetSettings& settings) : fleet_(fleet), settings_(settings) {
    for (std::size_t i = settings.slower.size(); i < settings.nodes; ++i) healthy_.push_back(fleet.offset(i));
    all_ = median(healthy_);
  }
  [[nodiscard]] const std::vector<double>& healthy() const { return healthy_; }
  [[nodiscard]] double of(std::size_t i) const {
    if (settings_.nodes >= 30) return all_;
    std::vector<double> others;
    for (std::size_t j = 0; j < settings_.nodes; ++j)
      if (j != i) others.push_back(fleet_.offset(j));
    return median(others);
  }

 private:
  const SimulatedFleet& fleet_;
  const FleetSettings& settings_;
  std::vector<double> healthy_{};
  double all_ = 0;
};

void count_node(BurninStatus status, Said& said) {
  ++said.nodes;
  if (status == BurninStatus::shown)
    ++said.bad;
  else if (status == BurninStatus::apart)
    ++said.apart;
  else if (status == BurninStatus::clear || status == BurninStatus::cleared)
    ++said.live;
  else
    ++said.unclear;
}

void add_fleet(std::mt19937_64& random, const FleetSettings& settings, Outcome& outcome) {
  SimulatedFleet fleet(random, settings);
  const std::size_t bad = settings.slower.size();
  const TrueMiddles middles(fleet, settings);
  std::vector<BurninStatus> status(settings.nodes, BurninStatus::clear);
  for (const BurninFinding& one : fleet.burn_in()) {
    status[number_of(one.host)] = one.status;
    ++outcome.suspected;
  }
  bool any_false = false, any_apart = false, any_within = false;
  const double clearly = bad > 0 ? clearly_slow(middles.healthy(), 0.67 * settings.noise) : 0;
  for (std::size_t i = 0; i < settings.nodes; ++i) {
    for (Said* said : kinds_of(outcome, settings, i)) count_node(status[i], *said);
    const bool is_shown = status[i] == BurninStatus::shown, is_apart = status[i] == BurninStatus::apart;
    any_within = any_within || ((is_shown || is_apart) && fleet.offset(i) - middles.of(i) <= kTolerance);
    any_false = any_false || (is_shown && i >= bad), any_apart = any_apart || (is_apart && i >= bad);
    const bool is_live = status[i] == BurninStatus::clear || status[i] == BurninStatus::cleared;
    const bool is_clear_case = i < bad && fleet.offset(i) > clearly;
    outcome.clearly_bad += is_clear_case ? 1 : 0, outcome.clearly_live += is_clear_case && is_live ? 1 : 0;
  }
  ++outcome.fleets;
  outcome.with_false += any_false ? 1 : 0, outcome.with_apart += any_apart ? 1 : 0;
  outcome.with_within += any_within ? 1 : 0;
  for (const auto& one : fleet.observations()) outcome.fresh += one.confirms ? 1 : 0;
  apply_rules(fleet, settings, outcome);
}

/// As logarithms.
std::vector<double> mixed_slowdowns(std::mt19937_64& random, std::size_t count) {
  std::uniform_real_distribution<double> unit(0, 1);
  std::vector<double> slower;
  for (std::size_t i = 0; i < count; ++i)
    slower.push_back(
        -std::log1p(-(0.02 + 0.18 * (static_cast<double>(i) + unit(random)) / static_cast<double>(count))));
  return slower;
}

}  // namespace

Outcome simulate(const Fleet& fleet, int fleets) {
  std::mt19937_64 random(7);
  Outcome outcome;
  for (int i = 0; i < fleets; ++i) {
    FleetSettings settings = fleet.settings;
    if (fleet.mixed > 0) settings.slower = mixed_slowdowns(random, fleet.mixed);
    add_fleet(random, settings, outcome);
  }
  return outcome;
}

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

bool is_above(long wrong, long all, double claim) {
  return all > 0 && share_at_least(static_cast<int>(wrong), static_cast<int>(all), 0.025) > claim;
}

std::string share_text(long count, long all) {
  return all > 0 ? fmt::format("{:.0f} %", 100.0 * static_cast<double>(count) / static_cast<double>(all)) : "-";
}

}  // namespace grit::bench
