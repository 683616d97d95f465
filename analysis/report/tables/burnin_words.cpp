#include "analysis/report/tables/burnin_words.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "analysis/burnin/drift.hpp"
#include "analysis/facts/wording.hpp"
#include "harness/base/units.hpp"
#include "harness/model/burnin_measures.hpp"

namespace grit {
namespace {

constexpr std::size_t kNamedHosts = 4;

std::string counted(int count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::vector<SharedText> shared(const BurninReport& report, std::vector<std::string> BurninNodeReport::*texts) {
  std::vector<SharedText> all;
  std::map<std::string_view, std::size_t> places;
  for (const BurninNodeReport& node : report.nodes)
    for (const std::string& text : node.*texts) {
      const auto [place, is_new] = places.try_emplace(text, all.size());
      if (is_new) all.push_back({text, {}});
      std::vector<std::string>& hosts = all[place->second].hosts;
      if (hosts.empty() || hosts.back() != node.host) hosts.push_back(node.host);
    }
  std::stable_sort(all.begin(), all.end(),
                   [](const SharedText& a, const SharedText& b) { return a.hosts.size() > b.hosts.size(); });
  return all;
}

bool is_rate_or_time(std::string_view measure) {
  const BurninMeasure* found = find_burnin_measure(measure);
  return found != nullptr && (found->better == BurninBetter::higher || found->better == BurninBetter::lower);
}

/// Rates and times that some node has a figure of.
std::set<std::string_view> measured_in(const BurninReport& report) {
  std::set<std::string_view> measured;
  for (const BurninNodeReport& node : report.nodes)
    for (const auto& [measure, value] : node.figures)
      if (is_rate_or_time(measure)) measured.insert(measure);
  return measured;
}

/// How healthy nodes may differ, so that what is claimed of them holds.
std::string assumed_tails(const BurninReport& report) {
  const std::set<std::string_view> measured = measured_in(report);
  std::vector<std::string_view> stated;
  for (const auto& [measure, limits] : report.config.limits)
    if (limits.spread && measured.contains(measure)) stated.push_back(measure);
  if (!stated.empty() && stated.size() == measured.size())
    return "those of Student's t of 8 degrees of freedom, since all their spreads are stated";
  const std::string of_stated =
      stated.empty() ? "" : fmt::format(" (of 8 degrees in {}, whose spread is stated)", fmt::join(stated, ", "));
  return "those of Student's t of 2 degrees of freedom" + of_stated;
}

/// By which something was set apart.
std::set<std::string_view> measures_apart(const BurninReport& report) {
  std::set<std::string_view> measures;
  const auto add = [&](const std::vector<BurninFinding>& findings) {
    for (const BurninFinding& finding : findings)
      if (finding.status == BurninStatus::apart) measures.insert(finding.measure);
  };
  for (const BurninNodeReport& node : report.nodes)
    if (node.state == BurninNodeState::apart) add(node.findings);
  add(report.links);
  return measures;
}

}  // namespace

BurninCounts counts_of(const BurninReport& report) {
  BurninCounts counts;
  counts.nodes = static_cast<int>(report.nodes.size());
  for (const BurninNodeReport& node : report.nodes) {
    counts.good += node.state == BurninNodeState::good ? 1 : 0;
    counts.bad += node.state == BurninNodeState::bad ? 1 : 0;
    counts.apart += node.state == BurninNodeState::apart ? 1 : 0;
    counts.unclear += node.state == BurninNodeState::suspect ? 1 : 0;
  }
  counts.not_tested = counts.nodes - counts.good - counts.bad - counts.apart - counts.unclear;
  counts.slower_fleets = static_cast<int>(std::ranges::count_if(report.fleet, is_slower_fleet));
  for (const BurninFinding& link : report.links) {
    counts.bad_links += link.status == BurninStatus::shown ? 1 : 0;
    counts.apart_links += link.status == BurninStatus::apart ? 1 : 0;
    counts.unclear_links += link.status == BurninStatus::suspect || link.status == BurninStatus::unclear ? 1 : 0;
  }
  counts.bad_groups = static_cast<int>(report.groups.size());
  return counts;
}

std::string burnin_sentence(const BurninReport& report) {
  const BurninCounts counts = counts_of(report);
  return fmt::format("{}{} of {} may go live.", report.complete ? "" : "So far ", counts.good,
                     counted(counts.nodes, "node"));
}

std::string burnin_rest(const BurninReport& report) {
  const BurninCounts counts = counts_of(report);
  std::vector<std::string> nodes, others;
  if (counts.bad > 0) nodes.push_back(fmt::format("{} bad", counts.bad));
  if (counts.apart > 0) nodes.push_back(fmt::format("{} set apart", counts.apart));
  if (counts.unclear > 0) nodes.push_back(fmt::format("{} not clear", counts.unclear));
  if (counts.not_tested > 0) nodes.push_back(fmt::format("{} not tested", counts.not_tested));
  if (counts.slower_fleets > 0)
    others.push_back("the fleet slower than its reference in " + counted(counts.slower_fleets, "measure"));
  if (std::ranges::any_of(report.fleet, is_fleet_without_carrier))
    others.push_back("most nodes without a carrier at the same time");
  if (counts.bad_links > 0) others.push_back(counted(counts.bad_links, "bad link") + " between good nodes");
  if (counts.apart_links > 0) others.push_back(counted(counts.apart_links, "link") + " set apart");
  if (counts.unclear_links > 0) others.push_back(counted(counts.unclear_links, "link") + " not clear");
  if (counts.bad_groups > 0) others.push_back(counted(counts.bad_groups, "bad group"));
  return fmt::format("{}{}{}", fmt::join(nodes, ", "), !nodes.empty() && !others.empty() ? "; " : "",
                     fmt::join(others, ", "));
}

std::string burnin_claim(const BurninReport& report) {
  const BurninCounts counts = counts_of(report);
  // bench_burnin_calibration, table "mixed": tails of Student's t of 8 degrees, 5 and 40 bad nodes of 4,096.
  const bool may_take_along = counts.bad >= 5 && counts.nodes >= 200;
  return fmt::format(
      "In at most {} of burn-ins is any healthy node called bad for its figures, over all nodes, measures and rounds, "
      "even if healthy nodes of a class differ with tails as heavy as {}. In fewer still is a node bad or set apart "
      "for figures of its own although it is within the tolerance. A whole group (switch, rack) that is no slower is "
      "called so in at most as many. Links are calibrated on one kind of fleet and counts not at all; checks, facts, "
      "deaths, lost carriers and absolute limits are outside of these figures.{}",
      level_text(report.config.false_bad), assumed_tails(report),
      may_take_along ? " Among so many bad nodes a healthy one that is as slow as some of them can be called bad along "
                       "with them more often: in up to one of ten burn-ins of 4,096 nodes with 40 bad ones."
                     : "");
}

bool is_apart_by_group(const BurninNodeReport& node) {
  return node.state == BurninNodeState::apart && std::ranges::none_of(node.findings, [](const BurninFinding& one) {
           return one.status == BurninStatus::apart;
         });
}

std::string apart_advice(const BurninReport& report) {
  const std::set<std::string_view> measures = measures_apart(report);
  const BurninCounts counts = counts_of(report);
  const std::string use = counts.apart == 0 ? "" : " To use the nodes as they are: cat good_hosts slow_hosts.";
  if (measures.empty())
    return counts.apart == 0 ? ""
                             : "Set apart for their group alone: look at what its nodes share (a switch, an uplink, "
                               "power, cooling)." +
                                   use;
  return fmt::format(
      "Faulty, or the slow end of an uneven fleet? What could tell: at_least, at_most or spread of {} in the config's "
      "limits; with spread stated, or from 200 nodes on, also --reference of an earlier burn-in.{}",
      fmt::join(measures, ", "), use);
}

std::string burnin_tolerances(const BurninReport& report) {
  std::set<std::string_view> measured;
  for (const BurninNodeReport& node : report.nodes)
    for (const auto& [measure, value] : node.figures) measured.insert(measure);
  std::vector<std::string> all;
  for (const BurninMeasure& measure : kBurninMeasures)
    if (measured.contains(measure.name) && measure.better != BurninBetter::none_at_all)
      all.push_back(fmt::format("{} {}", measure.what, level_text(tolerance_of(report.config, measure.name))));
  return all.empty() ? "" : fmt::format("{}", fmt::join(all, ", "));
}

std::string level_text(double fraction) { return fmt::format("{:.3g} %", 100 * fraction); }

std::string_view status_words(BurninStatus status) {
  switch (status) {
    case BurninStatus::shown:
      return "bad";
    case BurninStatus::apart:
      return "set apart";
    case BurninStatus::suspect:
    case BurninStatus::unclear:
      return "not clear";
    case BurninStatus::cleared:
      return "cleared";
    case BurninStatus::clear:
      break;
  }
  return "clear";
}

std::string_view state_words(BurninNodeState state) {
  switch (state) {
    case BurninNodeState::good:
      return "good";
    case BurninNodeState::bad:
      return "bad";
    case BurninNodeState::apart:
      return "set apart";
    case BurninNodeState::suspect:
      return "not clear";
    case BurninNodeState::untested:
    case BurninNodeState::testing:
    case BurninNodeState::not_tested:
      break;
  }
  return "not tested";
}

std::string burnin_figure(std::string_view measure, double value) {
  const BurninMeasure* found = find_burnin_measure(measure);
  if (!std::isfinite(value)) return "unknown";
  if (found == nullptr || found->unit == "count") return fmt::format("{:.6g}", value);
  if (found->unit == "share") return percent(value, Digits::tenths);
  if (found->unit == "s") return format_duration(value * 1e9);
  return scaled_text(value, found->unit == "bytes/s" ? "B/s" : found->unit);
}

std::string accusation(std::string_view measure) {
  if (measure == "died") return "does not answer";
  if (measure == "rebooted") return "was started anew";
  if (measure.starts_with(kBurninCheckPrefix))
    return fmt::format("check {}", measure.substr(kBurninCheckPrefix.size()));
  if (measure.starts_with(kBurninFactPrefix))
    return fmt::format("{} unlike its peers", measure.substr(kBurninFactPrefix.size()));
  const BurninMeasure* found = find_burnin_measure(measure);
  return std::string(found == nullptr ? measure : found->what);
}

std::string place_of(const BurninFinding& finding) {
  if (!finding.peer.empty()) return finding.host + " to " + finding.peer;
  if (!finding.host.empty()) return finding.host;
  return finding.group.empty() ? "the fleet" : "group " + finding.group;
}

std::string worse_text(const BurninFinding& finding) {
  if (!is_rate_or_time(finding.measure) || finding.worse == 0) return "";
  if (finding.worse_low == finding.worse_high) return percent(finding.worse);
  return fmt::format("{} ({} .. {} %)", percent(finding.worse), percent_number(finding.worse_low),
                     percent_number(finding.worse_high));
}

std::string finding_text(const BurninFinding& finding) {
  if (!finding.why.empty()) return finding.why;
  const std::string worse = worse_text(finding);
  if (worse.empty()) return accusation(finding.measure);
  return fmt::format("{}: {} worse than {}", accusation(finding.measure), worse,
                     finding.of_reference ? "it was itself" : "its peers");
}

std::string drift_name(const BurninReport& report, const BurninDrift& drift) {
  const auto has_other = [&](std::string BurninDrift::*member) {
    return std::ranges::any_of(report.drift, [&](const BurninDrift& one) {
      return one.measure == drift.measure && one.*member != drift.*member;
    });
  };
  std::string name = accusation(drift.measure);
  if (has_other(&BurninDrift::round)) name += " in " + drift.round;
  if (has_other(&BurninDrift::machine_class)) name += fmt::format(" ({})", drift.machine_class);
  return name;
}

std::vector<std::string> drift_texts(const BurninReport& report) {
  std::vector<std::string> fleets, nodes;
  for (const BurninDrift& drift : report.drift) {
    const std::string name = drift_name(report, drift);
    if (drift.cycles < kFewestDriftCycles)
      return {fmt::format("of {} whole cycles it cannot be told what drifts: {} are needed", drift.cycles,
                          kFewestDriftCycles)};
    if (drift.is_beyond_noise)
      fleets.push_back(fmt::format("{}: the fleet got {} {} since the first of {} cycles, beyond noise", name,
                                   percent(std::abs(drift.shift)), drift.shift > 0 ? "worse" : "better", drift.cycles));
    for (const BurninDrift::Node& node : drift.slower)
      nodes.push_back(
          fmt::format("{}: {} got {} worse since the first of {} cycles, {} of that beyond the fleet; it is "
                      "not judged by that",
                      node.host, name, percent(node.worse), drift.cycles, percent(node.beyond_fleet)));
    if (drift.more_slower > 0) nodes.push_back(fmt::format("{}: {} more nodes got worse", name, drift.more_slower));
  }
  fleets.insert(fleets.end(), nodes.begin(), nodes.end());
  return fleets;
}

std::string drift_claim(const BurninReport& report) {
  if (report.drift.empty() || report.drift.front().cycles < kFewestDriftCycles) return "";
  return fmt::format(
      "In at most {} of burn-ins is any node said to have got worse that did not, by more than the tolerance and "
      "beyond its fleet, and in as many a fleet: if noise is of one cycle alone, with tails no heavier than those of "
      "Student's t of 4 degrees of freedom.",
      level_text(kDriftWrong));
}

double tolerance_of(const BurninConfig& config, std::string_view measure) {
  if (const auto limits = config.limits.find(std::string(measure));
      limits != config.limits.end() && limits->second.tolerance)
    return *limits->second.tolerance;
  const BurninMeasure* found = find_burnin_measure(measure);
  return found == nullptr ? 0 : found->tolerance;
}

std::vector<SharedText> skipped_in(const BurninReport& report) { return shared(report, &BurninNodeReport::skipped); }

std::vector<SharedText> remarks_in(const BurninReport& report) { return shared(report, &BurninNodeReport::remarks); }

std::string hosts_text(const std::vector<std::string>& hosts, std::size_t of) {
  if (hosts.size() == of && of > 1) return fmt::format("all {} nodes", of);
  const std::size_t named = hosts.size() <= kNamedHosts + 1 ? hosts.size() : kNamedHosts;
  std::string text =
      fmt::format("{}", fmt::join(hosts.begin(), hosts.begin() + static_cast<std::ptrdiff_t>(named), ", "));
  if (named < hosts.size()) text += fmt::format(" and {} more", hosts.size() - named);
  return text;
}

}  // namespace grit
