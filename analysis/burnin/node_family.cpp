// Measures of nodes and of groups: each node is a unit.
#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>

#include "analysis/burnin/family.hpp"
#include "analysis/stats/median.hpp"

namespace grit {
namespace {

/// The middle of all units in each visit, which is taken off: what changes for all of them is nobody's.
std::map<int, double> middles_by_visit(const std::vector<std::map<int, double>>& by_host) {
  std::map<int, std::vector<double>> values;
  for (const auto& visits : by_host)
    for (const auto& [visit, value] : visits) values[visit].push_back(value);
  std::map<int, double> middles;
  for (auto& [visit, all] : values) middles[visit] = median(std::move(all));
  return middles;
}

/// What a fresh value is held against where no good node was measured beside it.
struct Fallback {
  double middle = 0;
  double variance = 0;  // of a visit's middle
};

Fallback fallback_of(const std::map<int, double>& middles) {
  Fallback fallback;
  for (const auto& [visit, middle] : middles) fallback.middle += middle / static_cast<double>(middles.size());
  for (const auto& [visit, middle] : middles)
    fallback.variance += std::pow(middle - fallback.middle, 2) / std::max(static_cast<double>(middles.size()) - 1, 1.0);
  return fallback;
}

/// Fresh values of good nodes: less what each of them is worse than the others for good.
class Controls {
 public:
  Controls(const BurninFamily& family) : family_(family) {
    for (const BurninReading& one : family.readings->fresh) {
      if (family.is_in_question(one.host)) continue;
      by_visit_[one.visit].push_back(&one);
      by_cell_[*one.cell].push_back(&one);
    }
  }

  /// Beside this reading: in the same cell, else in the same visit.
  [[nodiscard]] const std::vector<const BurninReading*>& beside(const BurninReading& one) const {
    static const std::vector<const BurninReading*> kNone;
    if (const auto found = by_cell_.find(*one.cell); found != by_cell_.end()) return found->second;
    const auto found = by_visit_.find(one.visit);
    return found == by_visit_.end() ? kNone : found->second;
  }

 private:
  const BurninFamily& family_;
  std::map<int, std::vector<const BurninReading*>> by_visit_{};
  std::map<std::string_view, std::vector<const BurninReading*>> by_cell_{};
};

/// Variance of a unit's middle by measurement.
double typical_error2(const BurninFamily& family) {
  std::vector<double> errors;
  for (const BurninUnit& unit : family.units)
    if (!unit.base.empty()) errors.push_back(unit.error2);
  return median(std::move(errors));
}

void add_fresh_of(BurninFamily& family, std::size_t host, const std::vector<const BurninReading*>& readings,
                  const Controls& controls, const Fallback& fallback) {
  BurninUnit& unit = family.units[host];
  std::map<std::size_t, double> weights;  // of the good nodes' middles in the mean
  const double count = static_cast<double>(readings.size());
  double noise = 0, without = 0;
  // What is known of a good node's own middle, of few visits less than what is known of how nodes differ: its
  // expectation given both (C. Stein; here B. Efron and C. Morris, JASA 70, 1975).
  const BurninPeers& peers = family.peers[host];
  const double apart = std::max(peers.variance - peers.noise2, 0.0), error2 = typical_error2(family);
  const double known = apart + error2 > 0 ? apart / (apart + error2) : 0;
  for (const BurninReading* one : readings) {
    const auto& beside = controls.beside(*one);
    if (beside.empty()) {
      unit.fresh.push_back(one->worse - fallback.middle);
      noise += 1, without += 1;
      continue;
    }
    double good = 0;
    for (const BurninReading* control : beside) {
      const double own = known * (family.units[control->host].middle - peers.middle);
      good += (control->worse - peers.middle - own) / static_cast<double>(beside.size());
      weights[control->host] += 1 / static_cast<double>(beside.size()) / count;
    }
    unit.fresh.push_back(one->worse - good);
    noise += 1 + 1 / static_cast<double>(beside.size());
  }
  unit.fresh_noise = noise / count;
  for (const auto& [control, weight] : weights) unit.shared2 += weight * weight * known * error2;
  unit.shared2 += std::pow(without / count, 2) * fallback.variance;
}

/// A figure that belongs to the whole cell.
struct CellFigure {
  double worse = 0;
  int visit = 0;
  std::vector<std::size_t> members{};
};

std::map<std::string_view, CellFigure> cells_of(const std::vector<BurninReading>& readings) {
  std::map<std::string_view, CellFigure> cells;
  for (const BurninReading& one : readings) {
    CellFigure& cell = cells[*one.cell];
    cell.worse = one.worse, cell.visit = one.visit;
    cell.members.push_back(one.host);
  }
  return cells;
}

/// By size of cells: what a good one is. Of fewer than four cells the best, since half of them may hold a bad node; of
/// one nothing is known.
struct GroupLevel {
  double good = 0;
  double variance = 0;  // of one cell
  double degrees = 0;
  std::size_t cells = 0;
};

std::map<std::size_t, GroupLevel> levels_of(const std::map<std::string_view, CellFigure>& cells) {
  std::map<std::size_t, std::vector<double>> values;
  for (const auto& [id, cell] : cells) values[cell.members.size()].push_back(cell.worse);
  std::map<std::size_t, GroupLevel> levels;
  for (const auto& [size, all] : values) {
    if (all.size() < 2) continue;
    GroupLevel& level = levels[size];
    level.cells = all.size();
    level.good = all.size() < 4 ? *std::min_element(all.begin(), all.end()) : median(all);
    std::vector<double> off;
    for (const double value : all) off.push_back(std::abs(value - level.good));
    level.variance = std::pow(1.4826 * median(std::move(off)), 2);
    level.degrees = static_cast<double>(all.size() - 1) / 2;
  }
  return levels;
}

std::vector<BurninUnit> units_of_hosts(const BurninReadings& readings) {
  std::vector<BurninUnit> units(readings.hosts.size());
  for (std::size_t host = 0; host < units.size(); ++host) units[host].host = readings.hosts[host];
  return units;
}

/// By host: what the reference says, as the readings have it.
std::map<std::size_t, double> before_of(const BurninReadings& readings, const BurninReference& reference) {
  std::map<std::size_t, double> before;
  for (std::size_t host = 0; host < readings.hosts.size(); ++host) {
    const auto node = reference.nodes.find(readings.hosts[host]);
    if (node == reference.nodes.end()) continue;
    const auto value = node->second.find(std::string(readings.measure->name));
    if (value != node->second.end() && value->second > 0) before[host] = worse_log(*readings.measure, value->second);
  }
  return before;
}

}  // namespace

BurninFamily node_family(const BurninReadings& readings) {
  BurninFamily family;
  family.readings = &readings;
  family.units = units_of_hosts(readings);
  const auto by_host = by_host_and_visit(readings.base, readings.hosts.size());
  const auto middles = middles_by_visit(by_host);
  for (std::size_t host = 0; host < by_host.size(); ++host)
    for (const auto& [visit, value] : by_host[host]) family.units[host].base.push_back(value - middles.at(visit));
  hold_against_peers(family);
  return family;
}

void add_fresh_of_nodes(BurninFamily& family) {
  const BurninReadings& readings = *family.readings;
  const Controls controls(family);
  const Fallback fallback = fallback_of(middles_by_visit(by_host_and_visit(readings.base, readings.hosts.size())));
  std::vector<std::vector<const BurninReading*>> by_host(readings.hosts.size());
  for (const BurninReading& one : readings.fresh)
    if (family.candidates[one.host]) by_host[one.host].push_back(&one);
  for (std::size_t host = 0; host < by_host.size(); ++host)
    if (!by_host[host].empty()) add_fresh_of(family, host, by_host[host], controls, fallback);
}

BurninFamily reference_family(const BurninReadings& readings, const BurninReference& reference) {
  BurninFamily family;
  family.readings = &readings;
  family.of_reference = true;
  const auto before = before_of(readings, reference);
  if (before.empty()) return family;
  const auto by_host = by_host_and_visit(readings.base, readings.hosts.size());
  std::vector<std::map<int, double>> changes(by_host.size());
  for (const auto& [host, then] : before)
    for (const auto& [visit, value] : by_host[host]) changes[host][visit] = value - then;
  const bool has_peers = before.size() >= kFewestPeers;
  const auto middles = has_peers ? middles_by_visit(changes) : std::map<int, double>();
  family.units = units_of_hosts(readings);
  for (std::size_t host = 0; host < changes.size(); ++host)
    for (const auto& [visit, value] : changes[host])
      family.units[host].base.push_back(value - (has_peers ? middles.at(visit) : 0));
  hold_against_peers(family);
  if (!has_peers) family.peers.assign(family.units.size(), no_peers(readings.spread));
  return family;
}

void add_fresh_of_reference(BurninFamily& family, const BurninReference& reference) {
  const BurninReadings& readings = *family.readings;
  const auto before = before_of(readings, reference);
  if (before.size() >= kFewestPeers) {
    // The middles that good nodes are freed of are those of their changes: readings less the past of each.
    BurninReadings changes = readings;
    for (auto* kept : {&changes.base, &changes.fresh}) {
      std::erase_if(*kept, [&](const BurninReading& one) { return !before.contains(one.host); });
      for (BurninReading& one : *kept) one.worse -= before.at(one.host);
    }
    family.readings = &changes;
    add_fresh_of_nodes(family);
    family.readings = &readings;
  } else {
    for (const BurninReading& one : readings.fresh)
      if (family.candidates[one.host] && before.contains(one.host))
        family.units[one.host].fresh.push_back(one.worse - before.at(one.host));
  }
  // The past was measured as often as the present, and no better.
  for (BurninUnit& unit : family.units) unit.shared2 += unit.error2;
}

BurninFamily group_family(const BurninReadings& readings) {
  BurninFamily family;
  family.readings = &readings;
  family.units = units_of_hosts(readings);
  const auto cells = cells_of(readings.base);
  const auto levels = levels_of(cells);
  std::vector<double> variances;
  double degrees = 0;
  for (const auto& [size, level] : levels) variances.push_back(level.variance), degrees += level.degrees;
  // A node that has once been in a good cell is good: the others of a slow cell are not to blame for its one.
  for (const auto& [id, cell] : cells) {
    const auto level = levels.find(cell.members.size());
    if (level == levels.end()) continue;
    for (const std::size_t host : cell.members) {
      auto& base = family.units[host].base;
      const double worse = cell.worse - level->second.good;
      if (base.empty()) base.push_back(worse);
      base.front() = std::min(base.front(), worse);
    }
  }
  hold_against_peers(family);
  family.noise = {median(std::move(variances)), degrees};
  return family;
}

void add_fresh_of_groups(BurninFamily& family) {
  const auto levels = levels_of(cells_of(family.readings->base));
  const auto cells = cells_of(family.readings->fresh);
  std::map<std::pair<int, std::size_t>, std::vector<double>> good;  // by visit and size
  for (const auto& [id, cell] : cells)
    if (std::none_of(cell.members.begin(), cell.members.end(),
                     [&](std::size_t host) { return family.is_in_question(host); }))
      good[{cell.visit, cell.members.size()}].push_back(cell.worse);
  for (const auto& [id, cell] : cells) {
    const auto in_question = [&](std::size_t host) { return family.is_in_question(host); };
    if (std::ranges::count_if(cell.members, in_question) != 1) continue;  // of two it cannot be told whose figure it is
    const std::size_t suspect = *std::ranges::find_if(cell.members, in_question);
    BurninUnit& unit = family.units[suspect];
    const auto beside = good.find({cell.visit, cell.members.size()});
    const auto level = levels.find(cell.members.size());
    if (beside != good.end()) {
      unit.fresh.push_back(cell.worse - median(beside->second));
      unit.fresh_noise = 2;
    } else if (level != levels.end()) {
      unit.fresh.push_back(cell.worse - level->second.good);
      unit.shared2 = level->second.variance / static_cast<double>(level->second.cells);
    }
  }
}

}  // namespace grit
