#include "analysis/burnin/family.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string_view>

#include "analysis/burnin/words.hpp"
#include "analysis/stats/median.hpp"

namespace grit {
namespace {

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

/// What the first measurement says of a unit.
BurninEstimate base_estimate(const BurninFamily& family, std::size_t i) {
  const BurninUnit& unit = family.units[i];
  return {unit.middle - family.peers[i].middle, unit.error2, std::max(family.noise.degrees, 1.0)};
}

/// Of a normal fleet of this size fewer than one node is expected to be so far out. Lenient, since fresh measurement
/// decides.
bool stands_out(const BurninFamily& family, std::size_t i) {
  const BurninEstimate base = base_estimate(family, i);
  const double error = std::sqrt(base.error2);
  return base.worse > family.readings->tolerance / 2 && base.worse > 2 * error &&
         expected_as_far(family.peers[i], base.worse + error, family.units.size()) < 1;
}

/// Within the tolerance, or no further from its peers than the furthest of so many normal ones: at its upper end, so
/// that nobody is cleared for having been measured badly.
bool is_clear(const BurninFamily& family, std::size_t i, const BurninEstimate& known) {
  const double high = known.high(0.05);
  return high < family.readings->tolerance || expected_as_far(family.peers[i], high, family.units.size()) > 0.05;
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

/// So many are measured again at most.
std::size_t most_again(std::size_t units) { return std::max<std::size_t>(8, units / 20); }

/// Units whose values do not depend on each other are held against each other by gaps: what nodes send, and what they
/// receive; links by whether they go forth or back, since both may share a cable. Not groups, whose members share
/// values.
class Gaps {
 public:
  Gaps(const BurninFamily& family, double level) : family_(family), level_(level), place_(family.units.size()) {
    if (family.readings->measure->scope == BurninScope::group || family.units.size() < kFewestForGaps) return;
    resolution_ = step_of(family.readings->base);
    for (std::size_t i = 0; i < family.units.size(); ++i) {
      const BurninUnit& unit = family.units[i];
      if (unit.base.empty()) continue;
      std::vector<double>& part = parts_[part_of(unit)];
      place_[i] = part.size();
      part.push_back((unit.fresh.empty() ? unit.middle : fresh_estimate(unit, family.noise).worse) -
                     family.peers[i].middle);
    }
    std::erase_if(parts_, [](const auto& part) { return part.second.size() < kFewestForGaps; });
    for (const auto& [name, values] : parts_) chances_[name] = chances_of(values);
  }

  /// Of the unit, per unit of its part; and of what it would be if it were so far from the middle. 1: there is no gap.
  [[nodiscard]] double chance(std::size_t i) const {
    const auto found = chances_.find(part_of(family_.units[i]));
    return found == chances_.end() ? 1 : per_unit(found->second, i);
  }
  [[nodiscard]] double chance_at(std::size_t i, double from_middle) const {
    const auto found = parts_.find(part_of(family_.units[i]));
    if (found == parts_.end()) return 1;
    std::vector<double> values = found->second;
    values[place_[i]] = from_middle;
    return per_unit(chances_of(values), i);
  }
  [[nodiscard]] bool are_looked_for(std::size_t i) const { return parts_.contains(part_of(family_.units[i])); }

 private:
  /// The better of two ways counts twice.
  [[nodiscard]] std::vector<double> chances_of(const std::vector<double>& part) const {
    return gap_chances(part, level_ * static_cast<double>(part.size()) / 2, resolution_);
  }
  static std::string part_of(const BurninUnit& unit) {
    return unit.peer.empty() ? unit.part : unit.host < unit.peer ? "forth" : "back";
  }
  [[nodiscard]] double per_unit(const std::vector<double>& chances, std::size_t i) const {
    const double chance = chances[place_[i]];
    return chance < 1 ? chance / static_cast<double>(chances.size()) : 1;
  }

  const BurninFamily& family_;
  double level_ = 0;                  // of a unit
  std::vector<std::size_t> place_{};  // of a unit in its part
  std::map<std::string, std::vector<double>> parts_{}, chances_{};
  double resolution_ = 0;
};

/// That a healthy peer is as far. Where two things could tell, the better counts twice.
struct ChanceOfPeers {
  double by_tails = 1;
  double by_gap = 1;
  bool has_gaps = false;

  [[nodiscard]] double both() const { return std::min(1.0, has_gaps ? 2 * std::min(by_tails, by_gap) : by_tails); }
};

ChanceOfPeers chance_of(const BurninFamily& family, const Gaps& gaps, std::size_t i, const BurninEstimate& known,
                        double gap) {
  const BurninPeers& peers = family.peers[i];
  return {chance_of_peers(peers, known.worse + peers.middle, known.error2, known.degrees), gap, gaps.are_looked_for(i)};
}

/// Is it possible that more visits tell it from its peers? They do if it is really where its interval ends.
bool might_be_told(const BurninFamily& family, const Gaps& gaps, std::size_t i, BurninEstimate known, double level) {
  known.worse = known.high(0.05);
  return chance_of(family, gaps, i, known, gaps.chance_at(i, known.worse)).both() <= level;
}

std::string how_it_was_told(const BurninFamily& family, const ChanceOfPeers& chance) {
  if (chance.has_gaps && chance.by_gap < chance.by_tails)
    return fmt::format(": in a healthy fleet a gap like that below it has a chance of {}",
                       burnin_percent(chance.by_gap * static_cast<double>(family.units.size())));
  const BurninSpread& spread = family.readings->spread;
  if (spread.is_stated)
    return fmt::format(": too far for one of them, given a spread of {}", burnin_percent(spread.size));
  return ": too far for one of them, even if they are very uneven (Student's t of 2 degrees of freedom)";
}

std::string why_it_is_not_told(const BurninFamily& family, std::size_t others) {
  const std::string_view limit = family.readings->measure->better == BurninBetter::higher ? "at_least" : "at_most";
  const std::string_view or_spread = family.readings->spread.is_stated ? "" : " or spread";
  std::string text = ": that is for sure; ";
  if (family.of_reference)
    return text + fmt::format(
                      "whether it is a fault or nodes change so much by themselves cannot be told from one burn-in; "
                      "{}{} in the config could tell",
                      limit, or_spread);
  if (others > most_bad(family.units.size()))
    text += fmt::format("{} others are about as far, so that they may be of another kind; ", others);
  return text + fmt::format(
                    "whether it is faulty or the slow end of an uneven fleet cannot be told from one burn-in; "
                    "{}{} in the config could tell",
                    limit, or_spread);
}

/// `known`: from the middle of the peers.
void say_status(BurninFinding& finding, const BurninFamily& family, const Gaps& gaps, std::size_t i,
                const BurninEstimate& known, const BurninLevels& levels, bool last_look) {
  const std::size_t others = as_far(family, i, known.worse);
  const bool is_kind = others > most_bad(family.units.size());
  const bool is_sure = finding.p_noise <= levels.noise;
  const ChanceOfPeers chance = chance_of(family, gaps, i, known, gaps.chance(i));
  finding.p_peers = chance.both();
  if (known.high(0.05) < family.readings->tolerance) {
    finding.status = BurninStatus::cleared;
    finding.why += ": within what is tolerated";
  } else if (is_clear(family, i, known)) {
    finding.status = BurninStatus::cleared;
    finding.why += is_sure ? ": that is for sure, and no further from its peers than so many are expected to be"
                           : ": no further from its peers than they are from each other";
  } else if (is_sure && finding.p_peers <= levels.peers && !is_kind) {
    finding.status = BurninStatus::shown;
    finding.why += how_it_was_told(family, chance);
  } else if (is_sure && (last_look || is_kind || !might_be_told(family, gaps, i, known, levels.peers))) {
    finding.status = BurninStatus::apart;
    finding.why += why_it_is_not_told(family, others);
  } else if (is_kind) {
    finding.status = BurninStatus::unclear;
    finding.why += fmt::format(": and {} others are about as far, so that they may be of another kind", others);
  } else if (last_look) {
    finding.status = BurninStatus::unclear;
    finding.why += ": not told from what is tolerated after all looks";
  } else {
    finding.status = BurninStatus::suspect;
  }
}

/// What is known of a unit: by fresh measurement if there is any; from the middle of its peers.
BurninEstimate estimate_of(const BurninFamily& family, std::size_t i) {
  if (family.units[i].fresh.empty()) return base_estimate(family, i);
  BurninEstimate known = fresh_estimate(family.units[i], family.noise);
  known.worse -= family.peers[i].middle;
  return known;
}

BurninFinding figures_of(const BurninFamily& family, std::size_t i, const BurninEstimate& known) {
  const BurninUnit& unit = family.units[i];
  const BurninMeasure& measure = *family.readings->measure;
  BurninFinding finding;
  finding.measure = measure.name;
  finding.host = unit.host, finding.peer = unit.peer;
  finding.peers = static_cast<int>(family.units.size() - 1);
  finding.of_reference = family.of_reference;
  finding.visits = static_cast<int>(unit.base.size() + unit.fresh.size());
  finding.p_noise = known.chance_of(family.readings->tolerance);
  finding.worse = worse_fraction(measure, known.worse);
  finding.worse_low = worse_fraction(measure, known.low(0.025));
  finding.worse_high = worse_fraction(measure, known.high(0.025));
  finding.why = words_of_rate(finding, *family.readings, unit);
  return finding;
}

BurninFinding finding_of(const BurninFamily& family, const Gaps& gaps, std::size_t i, const BurninEvidence& evidence,
                         const BurninLevels& levels) {
  const BurninEstimate known = estimate_of(family, i);
  BurninFinding finding = figures_of(family, i, known);
  const bool last_look = looks_at(evidence, finding_key(finding)) >= evidence.config->looks;
  if (!family.units[i].fresh.empty())
    say_status(finding, family, gaps, i, known, levels, last_look);
  else
    finding.status = last_look ? BurninStatus::unclear : BurninStatus::suspect;
  return finding;
}

/// What the units of a family are called, in sentences.
std::string_view units_of(const BurninFamily& family, const BurninUnit& unit) {
  if (family.of_reference) return "changes";
  if (!unit.peer.empty()) return "directions of links";
  return unit.part.empty() ? "nodes" : "nodes, sending and receiving,";
}

/// Of a unit that is not measured again.
BurninFinding left_over_finding(const BurninFamily& family, std::size_t i) {
  BurninFinding finding = figures_of(family, i, estimate_of(family, i));
  finding.status = BurninStatus::unclear;
  const auto left_over = std::count(family.left_over.begin(), family.left_over.end(), true);
  finding.why +=
      fmt::format(": {} of {} {} stand out, too many to measure each of them again{}",
                  candidates_of(family) + static_cast<std::size_t>(left_over), family.units.size(),
                  units_of(family, family.units[i]), family.of_reference ? "" : "; they may be of another kind");
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
  family.left_over.assign(family.units.size(), false);
  std::vector<std::size_t> further;
  for (std::size_t i = 0; i < family.units.size(); ++i) {
    const BurninUnit& unit = family.units[i];
    if (unit.base.empty()) continue;  // of a node that a reference does not know
    family.candidates[i] = has_fresh.contains(unit.host) && evidence.looks.contains(key_of(family, unit));
    if (!family.candidates[i] && stands_out(family, i)) further.push_back(i);
  }
  const std::size_t most = most_again(family.units.size()), looked = candidates_of(family);
  const std::size_t room = std::min(most - std::min(most, looked), further.size());
  std::ranges::stable_sort(further, std::greater(), [&](std::size_t i) { return family.units[i].middle; });
  for (const std::size_t i : std::span(further).first(room)) family.candidates[i] = true;
  for (const std::size_t i : std::span(further).subspan(room))
    family.left_over[i] = !is_clear(family, i, base_estimate(family, i));
}

std::size_t candidates_of(const BurninFamily& family) {
  return static_cast<std::size_t>(std::count(family.candidates.begin(), family.candidates.end(), true));
}

std::vector<BurninFinding> decide(const BurninFamily& family, const BurninEvidence& evidence,
                                  const BurninLevels& levels) {
  std::vector<BurninFinding> findings;
  const Gaps gaps(family, levels.peers);
  for (std::size_t i = 0; i < family.units.size(); ++i)
    if (family.candidates[i])
      findings.push_back(finding_of(family, gaps, i, evidence, levels));
    else if (family.left_over[i])
      findings.push_back(left_over_finding(family, i));
  return findings;
}

}  // namespace grit
