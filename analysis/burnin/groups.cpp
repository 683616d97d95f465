#include "analysis/burnin/groups.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "analysis/burnin/readings.hpp"
#include "analysis/burnin/words.hpp"
#include "analysis/stats/median.hpp"
#include "analysis/stats/proportions.hpp"

namespace grit {
namespace {

/// A node with the middle of its visits, as a logarithm of which more is worse.
struct GroupedNode {
  double worse = 0;
  const std::string* group = nullptr;
};

/// A measure of one round and class, of the nodes whose group is known.
struct GroupedMeasure {
  const BurninReadings* readings = nullptr;
  std::vector<GroupedNode> nodes{};
  std::map<std::string, int> members{};  // by group
};

/// Less the middle of all in that visit. Of a link both ends have its value; one within a group is left out, since it
/// is shorter, and a small group has few of them.
std::vector<std::vector<double>> values_by_host(const BurninReadings& readings,
                                                const std::map<std::string, std::string>& groups) {
  const auto is_within = [&](const BurninReading& one) {
    const auto a = groups.find(readings.hosts[one.host]), b = groups.find(readings.hosts[one.peer]);
    return one.peer != one.host && a != groups.end() && b != groups.end() && a->second == b->second;
  };
  std::map<int, std::vector<double>> by_visit;
  for (const BurninReading& one : readings.base)
    if (!is_within(one)) by_visit[one.visit].push_back(one.worse);
  std::map<int, double> middles;
  for (auto& [visit, values] : by_visit) middles[visit] = median(std::move(values));
  std::vector<std::vector<double>> values(readings.hosts.size());
  for (const BurninReading& one : readings.base) {
    if (is_within(one)) continue;
    values[one.host].push_back(one.worse - middles.at(one.visit));
    if (one.peer != one.host) values[one.peer].push_back(one.worse - middles.at(one.visit));
  }
  return values;
}

GroupedMeasure grouped(const BurninReadings& readings, const std::map<std::string, std::string>& groups) {
  GroupedMeasure measure{.readings = &readings};
  auto values = values_by_host(readings, groups);
  for (std::size_t host = 0; host < values.size(); ++host) {
    const auto group = groups.find(readings.hosts[host]);
    if (group == groups.end() || values[host].empty()) continue;
    measure.nodes.push_back({median(std::move(values[host])), &group->second});
    ++measure.members[group->second];
  }
  return measure;
}

/// That so many of a group are among the slowest by chance, when its members are let off the tolerance: among as many
/// as it has, and among a third of all, where another slow group may be as well.
double chance_of_group(const GroupedMeasure& measure, const std::string& group, int members) {
  std::vector<std::pair<double, bool>> slowest;  // of equal ones the others come first
  for (const GroupedNode& node : measure.nodes) {
    const bool is_member = *node.group == group;
    slowest.emplace_back(-(node.worse - (is_member ? measure.readings->tolerance : 0)), is_member);
  }
  std::sort(slowest.begin(), slowest.end());
  const auto chance = [&](int first) {
    const auto among = static_cast<int>(
        std::count_if(slowest.begin(), slowest.begin() + first, [](const auto& one) { return one.second; }));
    return fisher_more(among, members, first - among, static_cast<int>(slowest.size()) - members);
  };
  const int third = static_cast<int>(slowest.size()) / 3;
  return third > members ? std::min(1.0, 2 * std::min(chance(members), chance(third))) : chance(members);
}

BurninFinding finding_of(const GroupedMeasure& measure, const std::string& group, int members, double p) {
  std::vector<double> own, others;
  for (const GroupedNode& node : measure.nodes) (*node.group == group ? own : others).push_back(node.worse);
  BurninFinding finding;
  finding.measure = measure.readings->measure->name;
  finding.group = group;
  finding.status = BurninStatus::shown;
  finding.worse = worse_fraction(*measure.readings->measure, median(std::move(own)) - median(others));
  finding.worse_low = finding.worse_high = finding.worse;
  finding.p_noise = finding.p_peers = p;
  finding.peers = static_cast<int>(others.size());
  finding.why = fmt::format(
      "{}: the {} nodes of {} are {} worse in the middle than the {} others: what they share (a switch, an uplink, "
      "power, cooling) rather than each of them",
      measure.readings->measure->what, members, group, burnin_percent(finding.worse), others.size());
  return finding;
}

}  // namespace

std::vector<BurninFinding> slow_groups(const BurninEvidence& evidence) {
  if (evidence.group->empty()) return {};
  const auto all = burnin_readings(evidence);
  std::vector<GroupedMeasure> measures;
  double tests = 0;
  for (const BurninReadings& readings : all) {
    if (!readings.is_rate() || readings.measure->scope == BurninScope::group) continue;
    measures.push_back(grouped(readings, *evidence.group));
    tests += static_cast<double>(measures.back().members.size());
  }
  std::map<std::string, BurninFinding> slow;
  for (const GroupedMeasure& measure : measures) {
    for (const auto& [group, members] : measure.members) {
      if (2 * members > static_cast<int>(measure.nodes.size())) continue;  // it is the majority itself
      const double p = chance_of_group(measure, group, members);
      if (p > evidence.config->false_bad / tests) continue;
      BurninFinding finding = finding_of(measure, group, members, p);
      const auto [place, is_new] = slow.try_emplace(finding_key(finding), finding);
      if (!is_new && p < place->second.p_peers) place->second = std::move(finding);
    }
  }
  std::vector<BurninFinding> findings;
  for (auto& [key, finding] : slow) findings.push_back(std::move(finding));
  return findings;
}

}  // namespace grit
