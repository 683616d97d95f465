#include "analysis/burnin/family.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>

#include "analysis/burnin/words.hpp"
#include "analysis/stats/median.hpp"

namespace grit {
namespace {

/// A screen's chance that a unit passes by its place among its peers alone.
double screening_chance(std::size_t units) {
  return units < 200 ? std::max(0.02, 2 / static_cast<double>(units)) : 0.002;
}

std::string key_of(const BurninFamily& family, const BurninUnit& unit) {
  BurninFinding finding;
  finding.measure = std::string(family.readings->measure->name);
  finding.host = unit.host, finding.peer = unit.peer;
  return finding_key(finding);
}

int looks_at(const BurninEvidence& evidence, const std::string& key) {
  const auto found = evidence.looks.find(key);
  return found == evidence.looks.end() ? 0 : found->second;
}

bool stands_out(const BurninFamily& family, std::size_t i) {
  const BurninUnit& unit = family.units[i];
  const double worse = unit.middle - family.peers[i].middle;
  return worse > family.readings->tolerance / 2 && worse > 2 * std::sqrt(unit.error2) &&
         chance_of_peers(family.peers[i], unit.middle, unit.error2, family.noise.degrees) <
             screening_chance(family.units.size());
}

/// How many other units are about as far from the middle as this one, and further than is tolerated.
std::size_t as_far(const BurninFamily& family, std::size_t i, double worse) {
  const double far = std::max(family.readings->tolerance, worse / 2) + family.peers[i].middle;
  std::size_t count = 0;
  for (std::size_t j = 0; j < family.units.size(); ++j)
    if (j != i && !family.units[j].base.empty() && family.units[j].middle > far &&
        family.units[j].part == family.units[i].part)
      ++count;
  return count;
}

/// Of a class so many may be bad at once before they are a kind of their own.
std::size_t most_bad(std::size_t units) { return std::max<std::size_t>(1, units / 20); }

/// Is what lies so far from the middle no further than the furthest of so many peers may be? At its upper end, so that
/// nobody is cleared for having been measured badly.
bool among_peers(const BurninPeers& peers, double high, std::size_t units) {
  if (peers.variance <= 0) return false;
  const double t = high / std::sqrt(peers.variance);
  return static_cast<double>(units) * student_t_above(t, degrees_of(peers)) > 0.05;
}

/// `known`: against the middle of the peers.
void say_status(BurninFinding& finding, const BurninFamily& family, std::size_t i, const BurninEstimate& known,
                const BurninLevels& levels, bool last_look) {
  const std::size_t others = as_far(family, i, known.worse);
  if (const double high = known.high(0.05); high < family.readings->tolerance) {
    finding.status = BurninStatus::cleared;
    finding.why += ": within what is tolerated";
  } else if (among_peers(family.peers[i], high, family.units.size())) {
    finding.status = BurninStatus::cleared;
    finding.why += ": no further from its peers than they are from each other";
  } else if (others > most_bad(family.units.size())) {
    finding.status = BurninStatus::unclear;
    finding.why += fmt::format(": and {} others are about as far, so that they may be of another kind", others);
  } else if (finding.p_noise <= levels.noise && finding.p_peers <= levels.peers) {
    finding.status = BurninStatus::shown;
  } else if (last_look) {
    finding.status = BurninStatus::unclear;
    finding.why += finding.p_noise > levels.noise ? ": not told from what is tolerated after all looks"
                                                  : ": not told from how peers differ, though further than most";
  } else {
    finding.status = BurninStatus::suspect;
  }
}

BurninFinding finding_of(const BurninFamily& family, std::size_t i, const BurninEvidence& evidence,
                         const BurninLevels& levels) {
  const BurninUnit& unit = family.units[i];
  const BurninPeers& peers = family.peers[i];
  const BurninMeasure& measure = *family.readings->measure;
  BurninFinding finding;
  finding.measure = measure.name;
  finding.host = unit.host, finding.peer = unit.peer;
  finding.peers = static_cast<int>(family.units.size() - 1);
  finding.of_reference = family.of_reference;
  finding.visits = static_cast<int>(unit.base.size() + unit.fresh.size());
  const bool looked = !unit.fresh.empty();
  BurninEstimate known = looked ? fresh_estimate(unit, family.noise)
                                : BurninEstimate{unit.middle, unit.error2, std::max(family.noise.degrees, 1.0)};
  finding.p_peers = chance_of_peers(peers, known.worse, known.error2, known.degrees);
  known.worse -= peers.middle;
  finding.p_noise = known.chance_of(family.readings->tolerance);
  finding.worse = worse_fraction(measure, known.worse);
  finding.worse_low = worse_fraction(measure, known.low(0.025));
  finding.worse_high = worse_fraction(measure, known.high(0.025));
  finding.why = words_of_rate(finding, *family.readings, unit);
  const bool last_look = looks_at(evidence, finding_key(finding)) >= evidence.config->looks;
  if (looked)
    say_status(finding, family, i, known, levels, last_look);
  else
    finding.status = last_look ? BurninStatus::unclear : BurninStatus::suspect;
  return finding;
}

}  // namespace

void hold_against_peers(BurninFamily& family) {
  family.noise = noise_within(family.units);
  for (BurninUnit& unit : family.units) {
    const double count = static_cast<double>(unit.base.size());
    unit.middle = median(unit.base);
    // A median of three and more has the larger error (noise_floor.hpp).
    unit.error2 = family.noise.variance / std::max(count, 1.0) * (count > 2 ? 1.35 : 1.0);
  }
  family.peers = peers_of_each(family.units, family.readings->spread);
}

void screen(BurninFamily& family, const BurninEvidence& evidence) {
  std::set<std::string_view> has_fresh;
  for (const BurninReading& one : family.readings->fresh)
    has_fresh.insert({family.readings->hosts[one.host], family.readings->hosts[one.peer]});
  family.candidates.assign(family.units.size(), false);
  for (std::size_t i = 0; i < family.units.size(); ++i) {
    const BurninUnit& unit = family.units[i];
    const bool looked = has_fresh.contains(unit.host) && evidence.looks.contains(key_of(family, unit));
    family.candidates[i] = looked || stands_out(family, i);
  }
}

std::size_t candidates_of(const BurninFamily& family) {
  return static_cast<std::size_t>(std::count(family.candidates.begin(), family.candidates.end(), true));
}

std::vector<BurninFinding> decide(const BurninFamily& family, const BurninEvidence& evidence,
                                  const BurninLevels& levels) {
  std::vector<BurninFinding> findings;
  for (std::size_t i = 0; i < family.units.size(); ++i)
    if (family.candidates[i]) findings.push_back(finding_of(family, i, evidence, levels));
  return findings;
}

}  // namespace grit
