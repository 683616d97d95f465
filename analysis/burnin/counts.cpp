#include "analysis/burnin/counts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "analysis/burnin/peers.hpp"
#include "analysis/burnin/words.hpp"
#include "analysis/stats/proportions.hpp"

namespace grit {
namespace {

struct CountSum {
  double events = 0;
  double trials = 0;

  CountSum& operator+=(const BurninReading& one) {
    events += one.value, trials += one.exposure;
    return *this;
  }
  [[nodiscard]] double share() const { return trials > 0 ? events / trials : 0; }
};

CountSum sum_of(const std::vector<BurninReading>& readings) {
  CountSum sum;
  for (const BurninReading& one : readings) sum += one;
  return sum;
}

bool is_suspicious(const BurninReadings& readings, const CountSum& sum) {
  if (readings.measure->better == BurninBetter::none_at_all) return sum.events > 0;
  return sum.events > 0 && sum.share() > readings.tolerance / 2;
}

bool is_clear_share(const BurninReadings& readings, const CountSum& sum) {
  return sum.trials > 0 && mean_at_most(std::llround(sum.events), 0.05) / sum.trials < readings.tolerance;
}

BurninFinding named(const BurninReadings& readings, std::string host, std::string peer) {
  BurninFinding finding;
  finding.measure = readings.measure->name;
  finding.host = std::move(host), finding.peer = std::move(peer);
  return finding;
}

bool was_looked_at(const BurninEvidence& evidence, const BurninFinding& finding,
                   const std::vector<BurninReading>& fresh) {
  return !fresh.empty() && evidence.looks.contains(finding_key(finding));
}

/// One direction of a node's links: what it sends, or what it receives.
struct Direction {
  bool sent = true;
  [[nodiscard]] std::size_t own(const BurninReading& one) const { return sent ? one.host : one.peer; }
  [[nodiscard]] std::size_t other(const BurninReading& one) const { return sent ? one.peer : one.host; }
};

/// Nodes that half of their partners and more saw as suspicious in this direction. A node that met one partner alone is
/// not told from it: both are suspects until they meet others.
std::set<std::size_t> suspicious_nodes(const BurninReadings& readings, Direction direction) {
  std::map<std::size_t, std::map<std::size_t, CountSum>> partners;
  for (const BurninReading& one : readings.base) partners[direction.own(one)][direction.other(one)] += one;
  std::set<std::size_t> nodes;
  for (const auto& [node, sums] : partners) {
    const auto bad =
        std::count_if(sums.begin(), sums.end(), [&](const auto& one) { return is_suspicious(readings, one.second); });
    if (2 * bad >= static_cast<std::ptrdiff_t>(sums.size()) && bad > 0) nodes.insert(node);
  }
  return nodes;
}

std::vector<BurninReading> those(const std::vector<BurninReading>& readings,
                                 const std::function<bool(const BurninReading&)>& which) {
  std::vector<BurninReading> result;
  std::copy_if(readings.begin(), readings.end(), std::back_inserter(result), which);
  return result;
}

std::vector<BurninCounted> suspects_of_links(const BurninReadings& readings, const BurninEvidence& evidence) {
  std::vector<BurninCounted> suspects;
  std::set<std::size_t> nodes[2];
  for (const bool sent : {true, false}) nodes[sent ? 0 : 1] = suspicious_nodes(readings, {sent});
  std::set<std::size_t> suspicious = nodes[0];
  suspicious.insert(nodes[1].begin(), nodes[1].end());
  for (std::size_t node = 0; node < readings.hosts.size(); ++node)
    if (evidence.looks.contains(finding_key(named(readings, readings.hosts[node], "")))) suspicious.insert(node);
  for (const std::size_t node : suspicious) {
    for (const bool sent : {true, false}) {
      const Direction direction{sent};
      const auto is_own = [&](const BurninReading& one) { return direction.own(one) == node; };
      BurninCounted suspect{named(readings, readings.hosts[node], ""), those(readings.base, is_own)};
      suspect.fresh = those(readings.fresh, [&](const BurninReading& one) {
        return is_own(one) && !suspicious.contains(direction.other(one));
      });
      std::set<std::size_t> partners;
      for (const BurninReading& one : suspect.fresh) partners.insert(direction.other(one));
      suspect.partners = partners.size();
      if (nodes[sent ? 0 : 1].contains(node) || was_looked_at(evidence, suspect.finding, suspect.fresh))
        suspects.push_back(std::move(suspect));
    }
  }
  return suspects;
}

/// Links that are suspicious though neither end is by its other links. `but`: those ends.
std::vector<BurninCounted> suspicious_links(const BurninReadings& readings, const BurninEvidence& evidence,
                                            const std::set<std::string>& but) {
  std::map<std::pair<std::size_t, std::size_t>, BurninCounted> links;
  for (const BurninReading& one : readings.base) links[{one.host, one.peer}].base.push_back(one);
  for (const BurninReading& one : readings.fresh) links[{one.host, one.peer}].fresh.push_back(one);
  std::vector<BurninCounted> suspects;
  for (auto& [ends, link] : links) {
    const std::string &host = readings.hosts[ends.first], &peer = readings.hosts[ends.second];
    if (but.contains(host) || but.contains(peer)) continue;
    link.finding = named(readings, host, peer);
    link.partners = 2;  // its ends are not in question
    if (is_suspicious(readings, sum_of(link.base)) || was_looked_at(evidence, link.finding, link.fresh))
      suspects.push_back(std::move(link));
  }
  return suspects;
}

std::vector<BurninCounted> suspects_of_nodes(const BurninReadings& readings, const BurninEvidence& evidence) {
  std::vector<BurninCounted> suspects;
  for (std::size_t node = 0; node < readings.hosts.size(); ++node) {
    const auto is_own = [&](const BurninReading& one) { return one.host == node; };
    BurninCounted suspect{named(readings, readings.hosts[node], ""), those(readings.base, is_own),
                          those(readings.fresh, is_own)};
    if (is_suspicious(readings, sum_of(suspect.base)) || was_looked_at(evidence, suspect.finding, suspect.fresh))
      suspects.push_back(std::move(suspect));
  }
  return suspects;
}

/// P(as large or larger | the share is `at_most`), by the number of events and by how cells differ, whichever is
/// larger.
double chance_of_share(const std::vector<BurninReading>& readings, double at_most) {
  const CountSum sum = sum_of(readings);
  if (sum.share() <= at_most || readings.size() < 2) return 1;
  const double by_count = 1 - poisson_cdf(std::llround(sum.events) - 1, at_most * sum.trials);
  const double cells = static_cast<double>(readings.size());
  double mean = 0, squares = 0;
  for (const BurninReading& one : readings) mean += (one.exposure > 0 ? one.value / one.exposure : 0) / cells;
  for (const BurninReading& one : readings)
    squares += std::pow((one.exposure > 0 ? one.value / one.exposure : 0) - mean, 2);
  const double error = std::sqrt(squares / (cells - 1) / cells);
  const double by_cells = error > 0 ? student_t_above((mean - at_most) / error, cells - 1) : (mean > at_most ? 0 : 1);
  return std::max(by_count, by_cells);
}

bool each_partner_saw_it(const std::vector<BurninReading>& readings) {
  std::map<std::pair<std::size_t, std::size_t>, double> events;
  for (const BurninReading& one : readings) events[{one.host, one.peer}] += one.value;
  return std::all_of(events.begin(), events.end(), [](const auto& one) { return one.second > 0; });
}

void decide_share(BurninFinding& finding, const BurninReadings& readings, const BurninCounted& suspect, double level,
                  bool last_look) {
  const bool looked = !suspect.fresh.empty();
  const auto& known = looked ? suspect.fresh : suspect.base;
  const CountSum sum = sum_of(known);
  const auto events = static_cast<std::int64_t>(std::llround(sum.events));
  const Interval mean = garwood(events);
  finding.worse = sum.share();
  if (sum.trials > 0) finding.worse_low = mean.low / sum.trials, finding.worse_high = mean.high / sum.trials;
  finding.p_noise = chance_of_share(known, readings.tolerance);
  finding.why = fmt::format("{}: {} of {:.0f} ({}, 95 % interval {} to {}) in {} {}, {} is tolerated",
                            readings.measure->what, events, sum.trials, burnin_percent(finding.worse),
                            burnin_percent(finding.worse_low), burnin_percent(finding.worse_high), known.size(),
                            looked ? "cells beside good nodes" : "cells", burnin_percent(readings.tolerance));
  if (looked && finding.p_noise <= level && suspect.partners >= 2 && each_partner_saw_it(known))
    finding.status = BurninStatus::shown;
  else if (looked && is_clear_share(readings, sum))
    finding.status = BurninStatus::cleared;
  else
    finding.status = last_look ? BurninStatus::unclear : BurninStatus::suspect;
}

void decide_never(BurninFinding& finding, const BurninReadings& readings, const BurninCounted& suspect,
                  bool last_look) {
  const double seen = sum_of(suspect.base).events, again = sum_of(suspect.fresh).events;
  const bool looked = !suspect.fresh.empty();
  finding.worse = seen + again;
  finding.worse_low = finding.worse_high = finding.worse;
  finding.why = fmt::format("{}: {:.0f} in {} visits", readings.measure->what, seen, suspect.base.size());
  if (looked) finding.why += fmt::format(", {:.0f} in {} more beside good nodes", again, suspect.fresh.size());
  if (again > 0) {
    finding.status = BurninStatus::shown;
    finding.p_noise = 0;
  } else if (looked && suspect.blamed_on_another) {
    finding.status = BurninStatus::cleared;
    finding.why += ": of another node that was in the same cell";
  } else {
    finding.status = last_look ? BurninStatus::unclear : BurninStatus::suspect;
  }
}

/// A wrong result of a cell belongs to one of its nodes: when one is shown, the others are not in question by it.
void blame_on_others(const BurninReadings& readings, std::vector<BurninCounted>& suspects) {
  std::set<std::string_view> shown;  // cells
  for (const BurninCounted& suspect : suspects)
    if (sum_of(suspect.fresh).events > 0)
      for (const BurninReading& one : suspect.base) shown.insert(*one.cell);
  std::map<std::string_view, int> members;
  for (const BurninReading& one : readings.base) ++members[*one.cell];
  for (BurninCounted& suspect : suspects)
    suspect.blamed_on_another = std::all_of(suspect.base.begin(), suspect.base.end(), [&](const BurninReading& one) {
      return one.value <= 0 || (members[*one.cell] > 1 && shown.contains(*one.cell));
    });
}

}  // namespace

std::vector<BurninCounted> counted_suspects(const BurninReadings& readings, const BurninEvidence& evidence) {
  if (readings.measure->better == BurninBetter::none_at_all) {
    auto suspects = suspects_of_nodes(readings, evidence);
    blame_on_others(readings, suspects);
    return suspects;
  }
  auto suspects = suspects_of_links(readings, evidence);
  std::set<std::string> but;
  for (const BurninCounted& suspect : suspects)
    if (suspect.fresh.empty() || !is_clear_share(readings, sum_of(suspect.fresh))) but.insert(suspect.finding.host);
  auto links = suspicious_links(readings, evidence, but);
  std::move(links.begin(), links.end(), std::back_inserter(suspects));
  return suspects;
}

std::vector<BurninFinding> decide_counts(const BurninReadings& readings, std::vector<BurninCounted> suspects,
                                         const BurninEvidence& evidence, double level) {
  std::vector<BurninFinding> findings;
  for (BurninCounted& suspect : suspects) {
    BurninFinding& finding = suspect.finding;
    const auto looks = evidence.looks.find(finding_key(finding));
    const bool last_look = looks != evidence.looks.end() && looks->second >= evidence.config->looks;
    finding.peers = static_cast<int>(suspect.partners);
    finding.visits = static_cast<int>(suspect.base.size() + suspect.fresh.size());
    finding.p_peers = 0;  // what is allowed is given, whatever peers do
    if (readings.measure->better == BurninBetter::none_at_all)
      decide_never(finding, readings, suspect, last_look);
    else
      decide_share(finding, readings, suspect, level, last_look);
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace grit
