// What a burn-in's book makes of what nodes say of themselves: their facts their health checks, which are read once
// more before they count, and how often their links lost their carrier.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "harness/burnin/book.hpp"
#include "harness/model/burnin_measures.hpp"

namespace grit {

void BurninBook::take_checks(const BurninCellResult& result, const std::string& host) {
  Node& node = nodes_.at(host);
  const bool has_alarms = std::ranges::any_of(result.alarms, [&](const auto& alarm) { return alarm.host == host; });
  if (!has_alarms && !result.alarm_free.contains(host)) return;
  ++node.checks_read;
  node.critical.clear();
  node.warnings.clear();
  for (const BurninAlarm& alarm : result.alarms) {
    if (alarm.host != host) continue;
    const std::string what = alarm.subject.empty() ? alarm.detail : alarm.subject + ": " + alarm.detail;
    if (alarm.of_machine && alarm.severity == "critical") {
      fleet_[alarm.check] = {.measure = std::string(kBurninCheckPrefix) + alarm.check,
                             .status = BurninStatus::shown,
                             .why = fmt::format("{} of the machine that all nodes are on: {}", alarm.check, what)};
    } else if (alarm.severity == "critical") {
      node.critical.emplace(alarm.check, alarm);
    } else {
      node.warnings[alarm.check] += (node.warnings[alarm.check].empty() ? "" : "; ") + what;
    }
  }
}

void BurninBook::judge_carriers() {
  unclear_carriers_.clear();
  fleet_.erase(std::string(kCarrierLosses));
  for (BurninFinding& finding : carriers_.judge(setup_.config, setup_.hosts.size())) {
    if (finding.host.empty())
      fleet_[finding.measure] = std::move(finding);
    else if (finding.status == BurninStatus::shown)
      shown_.try_emplace(finding_key(finding), std::move(finding));
    else if (!shown_.contains(finding_key(finding)))
      unclear_carriers_[finding.host] = std::move(finding);
  }
}

void BurninBook::add_read_again(BurninFinding finding, int read, std::vector<BurninFinding>& findings) {
  const std::string key = finding_key(finding);
  finding.visits = read;
  if (!looks_.contains(key)) {
    finding.status = BurninStatus::suspect;
    read_at_[key] = read;
  } else if (read > read_at_.at(key)) {
    finding.status = BurninStatus::shown;
    finding.why += " (read again)";
  } else {
    finding.status = BurninStatus::unclear;
    finding.why += " (it could not be read again)";
  }
  findings.push_back(std::move(finding));
}

void BurninBook::add_cleared(const std::string& round, std::string_view prefix, std::vector<BurninFinding>& findings) {
  for (BurninFinding before : findings_[round]) {
    if (!before.measure.starts_with(prefix) || !looks_.contains(finding_key(before))) continue;
    const bool is_back = std::ranges::any_of(
        findings, [&](const BurninFinding& one) { return finding_key(one) == finding_key(before); });
    if (is_back) continue;
    if (before.status != BurninStatus::cleared) before.why += "; when it was read again it was not so";
    before.status = BurninStatus::cleared;
    findings.push_back(std::move(before));
  }
}

void BurninBook::judge_facts(const std::string& round, std::vector<BurninFinding>& findings) {
  std::map<std::string, std::map<std::string, std::string>> facts;
  for (auto& [host, node] : nodes_) {
    node.odd_facts.clear();
    if (!node.facts.empty()) facts.emplace(host, node.facts);
  }
  std::vector<BurninFinding> again;
  for (BurninFinding& odd : odd_facts(setup_.config, classes_, facts)) {
    if (odd.host.empty())
      fleet_[odd.measure] = std::move(odd);
    else if (odd.status != BurninStatus::shown)
      nodes_.at(odd.host).odd_facts.push_back(std::move(odd.why));
    else if (const int read = nodes_.at(odd.host).facts_read; read > 0)
      add_read_again(std::move(odd), read, again);
  }
  add_cleared(round, kBurninFactPrefix, again);
  findings.insert(findings.end(), again.begin(), again.end());
}

std::map<std::string, int> BurninBook::alarming_nodes() const {
  std::map<std::string, int> nodes;
  for (const auto& [host, node] : nodes_)
    for (const auto& [check, alarm] : node.critical) ++nodes[check];
  return nodes;
}

void BurninBook::judge_checks(const std::string& round, std::vector<BurninFinding>& findings) {
  const auto readers = std::ranges::count_if(nodes_, [](const auto& one) { return one.second.checks_read > 0; });
  const auto alarming = alarming_nodes();
  std::vector<BurninFinding> again;
  for (const auto& [host, node] : nodes_) {
    for (const auto& [check, alarm] : node.critical) {
      const std::string what = alarm.subject.empty() ? alarm.detail : alarm.subject + ": " + alarm.detail;
      BurninFinding finding{.measure = std::string(kBurninCheckPrefix) + check,
                            .host = host,
                            .peers = static_cast<int>(readers) - 1,
                            .why = fmt::format("check {}: {}", check, what)};
      if (2 * alarming.at(check) <= readers) {
        add_read_again(std::move(finding), node.checks_read, again);
        continue;
      }
      finding.host.clear();
      finding.status = BurninStatus::shown;
      finding.why = fmt::format("check {} is critical on {} of {} nodes, which blames none of them; on {}: {}", check,
                                alarming.at(check), readers, host, what);
      fleet_.try_emplace(check, std::move(finding));
    }
  }
  add_cleared(round, kBurninCheckPrefix, again);
  findings.insert(findings.end(), again.begin(), again.end());
}

}  // namespace grit
