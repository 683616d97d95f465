// What a config demands of each node whatever its peers are.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/burnin/family.hpp"
#include "analysis/burnin/words.hpp"
#include "analysis/stats/median.hpp"

namespace grit {
namespace {

/// By how much a value is beyond a limit, as a logarithm; below 0: it is within.
double beyond(const BurninLimits& limits, double value) {
  const double logarithm = std::log(std::max(value, 1e-30));
  double most = -INFINITY;
  if (limits.at_least) most = std::max(most, std::log(std::max(*limits.at_least, 1e-30)) - logarithm);
  if (limits.at_most) most = std::max(most, logarithm - std::log(std::max(*limits.at_most, 1e-30)));
  return most;
}

/// Of each host; of links what it sends and receives alike.
std::vector<BurninUnit> units_beyond(const BurninReadings& readings) {
  std::vector<BurninUnit> units(readings.hosts.size());
  for (std::size_t host = 0; host < units.size(); ++host) units[host].host = readings.hosts[host];
  for (const BurninReading& one : readings.base) {
    units[one.host].base.push_back(beyond(readings.limits, one.value));
    if (one.peer != one.host) units[one.peer].base.push_back(beyond(readings.limits, one.value));
  }
  for (BurninUnit& unit : units) unit.middle = median(unit.base);
  const auto is_beyond = [&](std::size_t host) { return !units[host].base.empty() && units[host].middle > 0; };
  for (const BurninReading& one : readings.fresh) {
    // Beside a node that is beyond its limit itself, a link says nothing of the other.
    if (one.peer == one.host || !is_beyond(one.peer))
      units[one.host].fresh.push_back(beyond(readings.limits, one.value));
    if (one.peer != one.host && !is_beyond(one.host))
      units[one.peer].fresh.push_back(beyond(readings.limits, one.value));
  }
  return units;
}

bool is_suspect(const BurninUnit& unit) { return !unit.base.empty() && unit.middle > 0; }

std::string limit_text(const BurninReadings& readings) {
  std::string text;
  if (readings.limits.at_least) text = "at least " + burnin_value(*readings.measure, *readings.limits.at_least);
  if (readings.limits.at_most)
    text += (text.empty() ? "at most " : " and at most ") + burnin_value(*readings.measure, *readings.limits.at_most);
  return text;
}

}  // namespace

std::size_t beyond_limits(const BurninReadings& readings) {
  const auto units = units_beyond(readings);
  return static_cast<std::size_t>(std::count_if(units.begin(), units.end(), is_suspect));
}

std::vector<BurninFinding> hold_against_limits(const BurninReadings& readings, const BurninEvidence& evidence,
                                               double level) {
  std::vector<BurninFinding> findings;
  if (!readings.limits.at_least && !readings.limits.at_most) return findings;
  const auto units = units_beyond(readings);
  const BurninNoise noise = noise_within(units);
  for (const BurninUnit& unit : units) {
    if (!is_suspect(unit)) continue;
    BurninFinding finding;
    finding.measure = std::string(readings.measure->name);
    finding.host = unit.host;
    finding.visits = static_cast<int>(unit.base.size() + unit.fresh.size());
    finding.p_peers = 0;  // a limit is given, whatever peers do
    finding.status = BurninStatus::suspect;
    double worse = unit.middle;
    const auto looks = evidence.looks.find(finding_key(finding));
    if (!unit.fresh.empty()) {
      const BurninEstimate known = fresh_estimate(unit, noise);
      worse = known.worse;
      finding.p_noise = known.chance_of(0);
      finding.worse_low = std::expm1(known.low(0.025)), finding.worse_high = std::expm1(known.high(0.025));
      if (finding.p_noise <= level)
        finding.status = BurninStatus::shown;
      else if (known.high(0.05) < 0)
        finding.status = BurninStatus::cleared;
    }
    if (finding.status == BurninStatus::suspect && looks != evidence.looks.end() &&
        looks->second >= evidence.config->looks)
      finding.status = BurninStatus::unclear;
    finding.worse = std::expm1(worse);
    finding.why = fmt::format("{}: {} beyond what the config demands ({}), {} visits", readings.measure->what,
                              burnin_percent(finding.worse), limit_text(readings), finding.visits);
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace grit
