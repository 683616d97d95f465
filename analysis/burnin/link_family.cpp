// Measures of links: what is a node's, and what is left for the link between two.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "analysis/burnin/family.hpp"
#include "analysis/stats/median.hpp"

namespace grit {
namespace {

using Ends = std::pair<std::size_t, std::size_t>;  // sender, receiver

/// The two units of a node.
std::size_t sends(std::size_t host) { return 2 * host; }
std::size_t receives(std::size_t host) { return 2 * host + 1; }

/// Of fewer readings in a visit a slow node, which has two of them, moves the middle.
constexpr std::size_t kFewestInVisit = 8;
/// Of fewer partners one that is slow moves the middle.
constexpr std::size_t kFewestPartners = 3;

/// Of each visit; of one with few readings the middle of all visits.
std::map<int, double> middles_of(const std::vector<BurninReading>& readings) {
  std::map<int, std::vector<double>> values;
  std::vector<double> all;
  for (const BurninReading& one : readings) {
    values[one.visit].push_back(one.worse);
    all.push_back(one.worse);
  }
  const double of_all = readings.empty() ? 0 : median(std::move(all));
  std::map<int, double> middles;
  for (auto& [visit, own] : values) middles[visit] = own.size() < kFewestInVisit ? of_all : median(std::move(own));
  return middles;
}

/// What each sending and receiving is by its links. Where some of them are with a node of `but`, by the others, or 0
/// where these are few: what that node does to its links is nothing of those who met it.
std::vector<double> middles_of_ends(const BurninReadings& readings, const BurninFamily& nodes,
                                    const std::set<std::string>& but, const std::map<int, double>& middles) {
  std::vector<std::vector<double>> others(nodes.units.size());
  for (const BurninReading& one : readings.base) {
    const double value = one.worse - middles.at(one.visit);
    if (!but.contains(readings.hosts[one.peer])) others[sends(one.host)].push_back(value);
    if (!but.contains(readings.hosts[one.host])) others[receives(one.peer)].push_back(value);
  }
  std::vector<double> ends(nodes.units.size());
  for (std::size_t i = 0; i < ends.size(); ++i) {
    if (others[i].size() == nodes.units[i].base.size())
      ends[i] = nodes.units[i].middle;
    else if (others[i].size() >= kFewestPartners)
      ends[i] = median(std::move(others[i]));
  }
  return ends;
}

/// By visit, fresh readings of links that are not in question.
using LinkControls = std::map<int, std::vector<const BurninReading*>>;

/// Fresh values of one unit, each less the good links' of its visit (or, without one, less the middle of all links
/// before), with what is not known of those. `noise`: of one link against another, for good and by chance.
void add_fresh_values(BurninUnit& unit, const std::vector<const BurninReading*>& readings, const LinkControls& controls,
                      const std::map<int, double>& middles, double noise, std::size_t partners) {
  if (readings.empty()) return;
  double before = 0, drift = 0, alone = 0, factor = 0;
  const double visits = static_cast<double>(middles.size()), count = static_cast<double>(readings.size());
  for (const auto& [visit, middle] : middles) before += middle / visits;
  for (const auto& [visit, middle] : middles) drift += std::pow(middle - before, 2) / std::max(visits - 1, 1.0);
  std::set<Ends> beside;
  for (const BurninReading* one : readings) {
    const auto found = controls.find(one->visit);
    if (found == controls.end()) {
      unit.fresh.push_back(one->worse - before);
      alone += 1, factor += 1;
      continue;
    }
    std::vector<double> good;
    for (const BurninReading* control : found->second) {
      good.push_back(control->worse);
      beside.insert({control->host, control->peer});
    }
    factor += 1 + 1 / static_cast<double>(good.size());
    unit.fresh.push_back(one->worse - median(std::move(good)));
  }
  unit.fresh_noise = factor / count;
  unit.shared2 = noise / static_cast<double>(std::max<std::size_t>(partners, 1));
  if (!beside.empty()) unit.shared2 += noise / static_cast<double>(beside.size());
  unit.shared2 += std::pow(alone / count, 2) * drift;
}

}  // namespace

BurninFamily link_node_family(const BurninReadings& readings) {
  BurninFamily family;
  family.readings = &readings;
  family.units.resize(2 * readings.hosts.size());
  for (std::size_t host = 0; host < readings.hosts.size(); ++host) {
    family.units[sends(host)].host = family.units[receives(host)].host = readings.hosts[host];
    family.units[sends(host)].part = "sent";
    family.units[receives(host)].part = "received";
  }
  const auto middles = middles_of(readings.base);
  for (const BurninReading& one : readings.base) {
    family.units[sends(one.host)].base.push_back(one.worse - middles.at(one.visit));
    family.units[receives(one.peer)].base.push_back(one.worse - middles.at(one.visit));
  }
  hold_against_peers(family);
  return family;
}

void add_fresh_of_link_nodes(BurninFamily& family) {
  const BurninReadings& readings = *family.readings;
  const auto suspect = [&](std::size_t host) {
    return family.is_in_question(sends(host)) || family.is_in_question(receives(host));
  };
  LinkControls controls;
  std::vector<std::vector<const BurninReading*>> fresh(family.units.size());
  std::vector<std::set<std::size_t>> partners(family.units.size());
  for (const BurninReading& one : readings.fresh) {
    if (!suspect(one.host) && !suspect(one.peer)) controls[one.visit].push_back(&one);
    // Of two suspects it cannot be told whose figure it is.
    if (suspect(one.host) && !suspect(one.peer)) {
      fresh[sends(one.host)].push_back(&one);
      partners[sends(one.host)].insert(one.peer);
    }
    if (suspect(one.peer) && !suspect(one.host)) {
      fresh[receives(one.peer)].push_back(&one);
      partners[receives(one.peer)].insert(one.host);
    }
  }
  const auto middles = middles_of(readings.base);
  for (std::size_t i = 0; i < family.units.size(); ++i)
    add_fresh_values(family.units[i], fresh[i], controls, middles, family.noise.variance, partners[i].size());
}

BurninFamily link_family(const BurninReadings& readings, const BurninFamily& nodes, const std::set<std::string>& but) {
  BurninFamily family;
  family.readings = &readings;
  const auto middles = middles_of(readings.base);
  const std::vector<double> ends = middles_of_ends(readings, nodes, but, middles);
  std::map<Ends, std::size_t> place;
  for (const BurninReading& one : readings.base) {
    const std::string &host = readings.hosts[one.host], &peer = readings.hosts[one.peer];
    if (but.contains(host) || but.contains(peer)) continue;
    const auto [found, is_new] = place.try_emplace({one.host, one.peer}, family.units.size());
    if (is_new) {
      BurninUnit unit;
      unit.host = host, unit.peer = peer;
      unit.of_ends = ends[sends(one.host)] + ends[receives(one.peer)];
      family.units.push_back(std::move(unit));
    }
    BurninUnit& unit = family.units[found->second];
    unit.base.push_back(one.worse - middles.at(one.visit) - unit.of_ends);
  }
  hold_against_peers(family);
  if (family.noise.degrees <= 0) family.noise = nodes.noise;  // each was seen once
  return family;
}

void add_fresh_of_links(BurninFamily& family, const BurninFamily& nodes) {
  const BurninReadings& readings = *family.readings;
  std::map<std::string, std::size_t> number;
  for (std::size_t i = 0; i < readings.hosts.size(); ++i) number[readings.hosts[i]] = i;
  std::map<Ends, std::size_t> suspects;
  for (std::size_t i = 0; i < family.units.size(); ++i)
    if (family.candidates[i]) suspects[{number[family.units[i].host], number[family.units[i].peer]}] = i;
  const auto in_question = [&](std::size_t host) {
    return nodes.is_in_question(sends(host)) || nodes.is_in_question(receives(host));
  };
  LinkControls controls;
  std::vector<std::vector<const BurninReading*>> fresh(family.units.size());
  for (const BurninReading& one : readings.fresh) {
    if (const auto found = suspects.find({one.host, one.peer}); found != suspects.end())
      fresh[found->second].push_back(&one);
    else if (!in_question(one.host) && !in_question(one.peer))
      controls[one.visit].push_back(&one);
  }
  const auto middles = middles_of(readings.base);
  for (const auto& [ends, i] : suspects) {
    BurninUnit& unit = family.units[i];
    // Its ends were seen with some partners each; its own good neighbours are its company.
    add_fresh_values(unit, fresh[i], controls, middles, nodes.noise.variance, 2);
    for (double& value : unit.fresh) value -= unit.of_ends;
  }
}

}  // namespace grit
