#include "analysis/burnin/judgement.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include "analysis/burnin/counts.hpp"
#include "analysis/burnin/family.hpp"
#include "analysis/burnin/words.hpp"
#include "analysis/stats/median.hpp"

namespace grit {
namespace {

/// Rounds that measure something: facts and checks alone have no part of the level.
double rounds_of(const BurninConfig& config) {
  const auto measures = std::count_if(config.rounds.begin(), config.rounds.end(), [](const BurninRound& round) {
    return !round.scenario.empty() || std::any_of(round.kinds.begin(), round.kinds.end(), [](const std::string& kind) {
      return kind != "facts" && kind != "checks";
    });
  });
  return std::max(1.0, static_cast<double>(measures));
}

bool is_graver(const BurninFinding& a, const BurninFinding& b) {
  return std::tuple(-gravity(a.status), -a.worse, a.why) < std::tuple(-gravity(b.status), -b.worse, b.why);
}

/// One finding of each key, in order of keys.
class Findings {
 public:
  void add(std::vector<BurninFinding> findings) {
    for (BurninFinding& finding : findings) {
      const auto [place, is_new] = by_key_.try_emplace(finding_key(finding), finding);
      if (!is_new && is_graver(finding, place->second)) place->second = std::move(finding);
    }
  }
  [[nodiscard]] std::vector<BurninFinding> all() const {
    std::vector<BurninFinding> result;
    for (const auto& [key, finding] : by_key_) result.push_back(finding);
    return result;
  }

 private:
  std::map<std::string, BurninFinding> by_key_{};
};

constexpr double kUneven = 3;  // times what is expected of one kind

/// A node that is set apart is not: its links are not looked at, nor is it company.
bool is_settled(BurninStatus status) { return status == BurninStatus::clear || status == BurninStatus::cleared; }

/// All that is judged in one round.
class BurninJudgement {
 public:
  BurninJudgement(const BurninEvidence& evidence, const std::vector<BurninReadings>& readings) : evidence_(evidence) {
    for (const BurninReadings& one : readings) {
      if (!one.is_rate())
        counts_.emplace_back(&one, counted_suspects(one, evidence));
      else
        add_rate(one);
    }
    // A link is looked at where both ends are good with others, which is known first.
    for (std::size_t i = 0, nodes = families_.size(); i < nodes; ++i)
      if (families_[i].readings->measure->scope == BurninScope::link) add_links(i);
  }

  void judge(Findings& findings) {
    const BurninLevels levels = levels_of_each();
    for (const BurninFamily& family : families_) findings.add(decide(family, evidence_, levels));
    for (const auto& [readings, suspects] : counts_)
      findings.add(decide_counts(*readings, suspects, evidence_, levels.noise));
    for (const BurninReadings* one : limited_) findings.add(hold_against_limits(*one, evidence_, levels.noise));
    findings.add(std::move(without_peers_));
  }

 private:
  void add_rate(const BurninReadings& readings) {
    const bool has_limits = readings.limits.at_least || readings.limits.at_most;
    const bool has_peers = readings.hosts.size() >= kFewestPeers;
    if (has_limits) limited_.push_back(&readings);
    if (has_peers) add(readings);
    const bool has_past = add_change(readings);
    if (!has_peers && !has_limits && !has_past) say_no_peers(readings);
  }

  /// False: the reference knows nothing of these nodes.
  bool add_change(const BurninReadings& readings) {
    if (evidence_.reference == nullptr || readings.measure->scope != BurninScope::node) return false;
    BurninFamily family = reference_family(readings, *evidence_.reference);
    if (family.units.empty()) return false;
    screen(family, evidence_);
    add_fresh_of_reference(family, *evidence_.reference);
    families_.push_back(std::move(family));
    return true;
  }

  void add(const BurninReadings& readings) {
    const BurninScope scope = readings.measure->scope;
    BurninFamily family = scope == BurninScope::node    ? node_family(readings)
                          : scope == BurninScope::group ? group_family(readings)
                                                        : link_node_family(readings);
    screen(family, evidence_);
    if (scope == BurninScope::node)
      add_fresh_of_nodes(family);
    else if (scope == BurninScope::group)
      add_fresh_of_groups(family);
    else
      add_fresh_of_link_nodes(family);
    families_.push_back(std::move(family));
  }

  void add_links(std::size_t nodes) {
    std::set<std::string> but;
    for (const BurninFinding& finding : decide(families_[nodes], evidence_, levels_of_each()))
      if (!is_settled(finding.status)) but.insert(finding.host);
    BurninFamily family = link_family(*families_[nodes].readings, families_[nodes], but);
    screen(family, evidence_);
    add_fresh_of_links(family, families_[nodes]);
    families_.push_back(std::move(family));
  }

  void say_no_peers(const BurninReadings& readings) {
    for (const std::string& host : readings.hosts) {
      BurninFinding finding;
      finding.measure = std::string(readings.measure->name);
      finding.host = host;
      finding.status = BurninStatus::unclear;
      finding.peers = static_cast<int>(readings.hosts.size()) - 1;
      finding.why = fmt::format("{}: {} peers of its class, {} are needed to be held against", readings.measure->what,
                                finding.peers, kFewestPeers - 1);
      without_peers_.push_back(std::move(finding));
    }
  }

  [[nodiscard]] BurninLevels levels_of_each() const {
    double suspects = 0, units = 0;
    for (const BurninFamily& family : families_) {
      suspects += static_cast<double>(candidates_of(family));
      units += static_cast<double>(family.units.size());
    }
    for (const auto& [readings, counted] : counts_) suspects += static_cast<double>(counted.size());
    for (const BurninReadings* one : limited_) suspects += static_cast<double>(beyond_limits(*one));
    const BurninConfig& config = *evidence_.config;
    const double part = config.false_bad / 2 / rounds_of(config);
    return {part / std::max(config.cycles, 1) / std::max(config.looks, 1) / std::max(suspects, 1.0),
            part / std::max(units, 1.0)};
  }

  const BurninEvidence& evidence_;
  std::vector<BurninFamily> families_{};
  std::vector<std::pair<const BurninReadings*, std::vector<BurninCounted>>> counts_{};
  std::vector<const BurninReadings*> limited_{};
  std::vector<BurninFinding> without_peers_{};
};

}  // namespace

std::string finding_key(const BurninFinding& finding) {
  std::string key = finding.measure + " " + (finding.host.empty() ? finding.group : finding.host);
  return finding.peer.empty() ? key : key + ">" + finding.peer;
}

std::vector<BurninFinding> judge_burnin(const BurninEvidence& evidence) {
  std::map<std::string, std::vector<BurninReadings>> rounds;
  for (BurninReadings& readings : burnin_readings(evidence)) rounds[readings.round].push_back(std::move(readings));
  Findings findings;
  for (const auto& [name, readings] : rounds) BurninJudgement(evidence, readings).judge(findings);
  return findings.all();
}

std::vector<BurninFinding> uneven_classes(const BurninEvidence& evidence) {
  Findings findings;
  for (const BurninReadings& readings : burnin_readings(evidence)) {
    if (!readings.is_rate() || readings.hosts.size() < kFewestPeers || readings.measure->scope == BurninScope::group)
      continue;
    const BurninFamily family =
        readings.measure->scope == BurninScope::node ? node_family(readings) : link_node_family(readings);
    std::vector<double> variances;
    for (const BurninPeers& peers : family.peers) variances.push_back(std::max(peers.variance - peers.noise2, 0.0));
    const double size = std::sqrt(median(std::move(variances)));
    if (size <= kUneven * readings.spread.size) continue;
    BurninFinding finding;
    finding.measure = readings.measure->name;
    finding.group = readings.machine_class;
    finding.peers = static_cast<int>(readings.hosts.size());
    finding.worse = size;
    finding.why = fmt::format(
        "{}: the {} nodes of {} differ by {} (one standard deviation), where {} are expected: "
        "are they of one kind?",
        readings.measure->what, readings.hosts.size(), readings.machine_class, burnin_percent(size),
        burnin_percent(readings.spread.size));
    findings.add({std::move(finding)});
  }
  return findings.all();
}

std::map<std::string, std::map<std::string, double>> node_figures(const BurninEvidence& evidence) {
  std::map<std::string, std::map<std::string, std::vector<double>>> base, fresh;
  for (const BurninObservation& one : *evidence.observations) {
    const BurninMeasure* measure = find_burnin_measure(one.measure);
    if (measure == nullptr) continue;
    const bool is_share = measure->better == BurninBetter::rarer;
    if (is_share && one.exposure <= 0) continue;
    const double value = is_share ? one.value / one.exposure : one.value;
    auto& kept = one.confirms ? fresh : base;
    kept[one.host][one.measure].push_back(value);
    if (!one.peer.empty()) kept[one.peer][one.measure].push_back(value);
  }
  std::map<std::string, std::map<std::string, double>> figures;
  for (auto* kept : {&base, &fresh})
    for (auto& [host, measures] : *kept)
      for (auto& [measure, values] : measures) figures[host].try_emplace(measure, median(std::move(values)));
  return figures;
}

}  // namespace grit
