#include "harness/burnin/book.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "analysis/burnin/groups.hpp"
#include "harness/base/clock.hpp"
#include "harness/burnin/cell_words.hpp"
#include "harness/burnin/console.hpp"
#include "harness/model/burnin_measures.hpp"

namespace grit {
namespace {

constexpr std::string_view kSkippedRound = "round";
/// The one under way and those before it.
constexpr std::size_t kJudgedCycles = 3;

bool is_read_again(const BurninFinding& finding) {
  return finding.measure.starts_with(kBurninFactPrefix) || finding.measure.starts_with(kBurninCheckPrefix);
}

bool is_of_node(const BurninFinding& finding) { return !finding.host.empty() && finding.peer.empty(); }

/// Causes first: what is no measure (a death, a check, a fact) before all of them.
std::ptrdiff_t place_of(const BurninFinding& finding) {
  const BurninMeasure* known = find_burnin_measure(finding.measure);
  return known == nullptr ? -1 : known - kBurninMeasures.data();
}

void sort_by_gravity(std::vector<BurninFinding>& findings) {
  std::ranges::stable_sort(findings, {}, [](const BurninFinding& finding) {
    return std::pair(-gravity(finding.status), place_of(finding));
  });
}

std::string key_of_skipped(const std::string& round) { return fmt::format("{} {}", kSkippedRound, round); }

bool has_answered_in(const BurninCellResult& result, const std::string& host) {
  return result.facts.contains(host) || result.alarm_free.contains(host) || result.skipped.contains(host) ||
         std::ranges::any_of(result.observations, [&](const auto& one) { return one.host == host; }) ||
         std::ranges::any_of(result.alarms, [&](const auto& one) { return one.host == host; });
}

/// What must never be, as a wrong result: a figure that speaks against the node, however its cell ended.
bool has_shown_fault(const BurninCellResult& result, const std::string& host) {
  return std::ranges::any_of(result.observations, [&](const BurninObservation& one) {
    const BurninMeasure* measure = find_burnin_measure(one.measure);
    return one.host == host && one.value > 0 && measure != nullptr && measure->better == BurninBetter::none_at_all;
  });
}

/// A node that is good among the others of its slow group does not go live before somebody has looked at what they
/// share.
void hold_back_groups(BurninReport& report) {
  for (BurninNodeReport& node : report.nodes)
    for (const BurninFinding& finding : report.groups)
      if (node.state == BurninNodeState::good && finding.group == node.group) {
        node.state = BurninNodeState::apart;
        node.reason = fmt::format("its group {}: {}", node.group, finding.why);
      }
}

}  // namespace

BurninBook::BurninBook(BurninSetup setup, BurninJudge judge) : setup_(std::move(setup)), judge_(std::move(judge)) {
  for (const BurninHost& host : setup_.hosts) {
    nodes_[host.name];
    classes_[host.name];
    if (!host.group.empty()) groups_[host.name] = host.group;
  }
}

bool BurninBook::is_present(const std::string& host) const {
  const Node& node = nodes_.at(host);
  return node.given_up_why.empty() && node.state != BurninNodeState::bad;
}

std::vector<std::string> BurninBook::present() const {
  std::vector<std::string> hosts;
  for (const BurninHost& host : setup_.hosts)
    if (is_present(host.name)) hosts.push_back(host.name);
  return hosts;
}

const std::string& BurninBook::class_of(const std::string& host) const { return classes_.at(host); }

void BurninBook::started(const BurninCell& cell) {
  for (const std::string& host : cell.hosts) {
    nodes_.at(host).is_started = true;
    update(host);
  }
}

void BurninBook::begin(const BurninRound& round) {
  const auto reads = [&](const char* kind) { return std::ranges::find(round.kinds, kind) != round.kinds.end(); };
  for (auto& [host, node] : nodes_) {
    if (node.state == BurninNodeState::bad) continue;  // it is not read again
    if (reads("checks")) node.critical.clear(), node.warnings.clear();
    if (reads("facts")) node.odd_facts.clear();
  }
  if (reads("checks")) std::erase_if(fleet_, [](const auto& one) { return one.second.measure != kSkippedRound; });
  fleet_.erase(key_of_skipped(round.name));
  std::erase_if(read_at_,
                [&](const auto& one) { return reads(one.first.starts_with(kBurninFactPrefix) ? "facts" : "checks"); });
}

/// Nobody but a fault starts a node anew while its burn-in goes on; while none does, somebody may have mended it.
void BurninBook::take_boot(const BurninCellResult& result, const std::string& host) {
  const auto told = result.boot_ids.find(host);
  if (told == result.boot_ids.end()) return;
  Boot& last = nodes_.at(host).boot;
  const Boot before = std::exchange(last, {told->second, result.cell.id, result.session});
  if (before.id.empty() || before.id == last.id) return;
  const std::string why =
      fmt::format("it was started anew after cell {} had begun and before {} did", before.cell, last.cell);
  if (before.session != last.session) {
    nodes_.at(host).new_starts.push_back(why + ", while the burn-in was interrupted");
    return;
  }
  const BurninFinding finding{.measure = "rebooted", .host = host, .status = BurninStatus::shown, .why = why};
  shown_.try_emplace(finding_key(finding), finding);
  update(host);
}

void BurninBook::take_loss(const BurninCellResult& result, const std::string& host) {
  Node& node = nodes_.at(host);
  ++node.lost_cells;
  node.last_loss = fmt::format("in {}: {}", result.cell.id, why_nothing_came(result, host));
  const auto kernel = result.kernel_lines.find(host);
  if (kernel != result.kernel_lines.end() && !kernel->second.empty())
    node.last_loss += fmt::format("; its kernel said: {}", telling_kernel_line(kernel->second));
}

void BurninBook::take_time(const BurninCellResult& result) {
  const auto earlier = [&](std::int64_t known_ns) {
    return known_ns == 0 ? result.started_ns : std::min(known_ns, result.started_ns);
  };
  first_ns_ = earlier(first_ns_);
  cycle_first_ns_ = earlier(cycle_first_ns_);
  cycle_last_ns_ = std::max(cycle_last_ns_, result.started_ns + result.took_ns);
}

std::vector<std::string> BurninBook::take(const BurninCellResult& result) {
  take_time(result);
  carriers_.take(result);
  for (auto* all : {&observations_, &recent_})
    all->insert(all->end(), result.observations.begin(), result.observations.end());
  std::vector<std::string> lost;
  for (const std::string& host : result.cell.hosts) {
    Node& node = nodes_.at(host);
    const bool answered = has_answered_in(result, host);
    ++node.cells;
    take_boot(result, host);
    node.has_answered = node.has_answered || answered;
    take_checks(result, host);
    if (const auto facts = result.facts.find(host); facts != result.facts.end()) {
      ++node.facts_read;
      for (const auto& [name, value] : facts->second) node.facts[name] = value;
      classes_[host] = machine_class_of(node.facts);
    }
    if (const auto skipped = result.skipped.find(host); skipped != result.skipped.end())
      for (const std::string& what : skipped->second)
        if (std::ranges::find(node.skipped, what) == node.skipped.end()) node.skipped.push_back(what);
    const bool alone = result.cell.hosts.size() == 1;
    const bool is_whole = result.end == BurninCellEnd::completed && !result.errors.contains(host);
    if (answered && (!alone || is_whole || has_shown_fault(result, host))) continue;
    take_loss(result, host);
    lost.push_back(host);
  }
  if (result.end != BurninCellEnd::completed || !lost.empty()) {
    lost_.push_back(result);
    lost_.back().observations.clear();
  }
  return lost;
}

BurninEvidence BurninBook::evidence(const std::string& round) const {
  return {.config = &setup_.config,
          .machine_class = &classes_,
          .group = &groups_,
          .observations = round.empty() ? &observations_ : &recent_,
          .reference = setup_.reference ? &*setup_.reference : nullptr,
          .round = round,
          .looks = looks_};
}

void BurninBook::keep_shown(std::vector<BurninFinding>& findings) {
  for (const BurninFinding& finding : findings)
    if (finding.status == BurninStatus::shown) shown_.try_emplace(finding_key(finding), finding);
  std::erase_if(findings, [&](const BurninFinding& one) { return shown_.contains(finding_key(one)); });
}

void BurninBook::keep_apart(const std::string& round, std::vector<BurninFinding>& findings) const {
  const auto before = apart_.find(round);
  if (before == apart_.end()) return;
  for (const auto& [key, finding] : before->second) {
    if (shown_.contains(key)) continue;
    const auto now = std::ranges::find_if(findings, [&](const BurninFinding& one) { return finding_key(one) == key; });
    if (now == findings.end())
      findings.push_back(finding);
    else if (gravity(now->status) < gravity(BurninStatus::apart))
      *now = finding;
  }
}

std::vector<BurninFinding> BurninBook::judge(const BurninRound& round, const std::map<std::string, int>& looks) {
  looks_ = looks;
  for (const auto& [key, count] : looks) looked_at_.insert(key);
  std::vector<BurninFinding> findings = judge_(evidence(round.name));
  const auto reads = [&](const char* kind) { return std::ranges::find(round.kinds, kind) != round.kinds.end(); };
  if (reads("facts")) judge_facts(round.name, findings);
  if (reads("checks")) judge_checks(round.name, findings);
  keep_shown(findings);
  judge_carriers();
  std::set<std::string> just_shown;  // whose state does not say so yet
  for (const auto& [key, finding] : shown_)
    if (is_of_node(finding)) just_shown.insert(finding.host);
  const auto is_out = [&](const std::string& host) { return !is_present(host) || just_shown.contains(host); };
  std::vector<BurninFinding> suspects;
  for (BurninFinding& finding : findings) {
    if (finding.status != BurninStatus::suspect) continue;
    const auto looked = looks.find(finding_key(finding));
    const int most = is_read_again(finding) ? 1 : setup_.config.looks;
    const bool is_gone = is_out(finding.host) || (!finding.peer.empty() && is_out(finding.peer));
    if (is_gone || (looked != looks.end() && looked->second >= most)) {
      finding.status = BurninStatus::unclear;
      if (is_gone)
        finding.why += fmt::format("; not measured again, for {} is out already",
                                   is_out(finding.host) ? finding.host : finding.peer);
    } else {
      suspects.push_back(finding);
    }
  }
  keep_apart(round.name, findings);
  findings_[round.name] = std::move(findings);
  for (const auto& [host, node] : nodes_) update(host);
  return suspects;
}

void BurninBook::leave_unclear(const std::string& round, const std::string& key, const std::string& why) {
  for (BurninFinding& finding : findings_[round]) {
    if (finding_key(finding) != key || finding.status == BurninStatus::apart) continue;
    finding.status = BurninStatus::unclear;
    finding.why += (finding.why.empty() ? "" : "; ") + why;
    looked_at_.insert(key);
    update(finding.host);
  }
}

std::vector<BurninFinding> BurninBook::findings_of(const std::string& host, const Node& node) const {
  std::vector<BurninFinding> own = node.died;
  for (const auto& [key, finding] : shown_)
    if (finding.host == host && is_of_node(finding)) own.push_back(finding);
  for (const auto& [round, findings] : findings_)
    for (const BurninFinding& finding : findings)
      if (finding.host == host && is_of_node(finding) && finding.status != BurninStatus::clear) own.push_back(finding);
  if (const auto carrier = unclear_carriers_.find(host); carrier != unclear_carriers_.end())
    own.push_back(carrier->second);
  sort_by_gravity(own);
  return own;
}

bool BurninBook::is_clear(const std::string& host) const {
  return std::ranges::all_of(findings_of(host, nodes_.at(host)),
                             [](const BurninFinding& one) { return one.status == BurninStatus::cleared; });
}

bool BurninBook::is_clear_in(const std::string& host, const std::set<std::string>& measures) const {
  return std::ranges::all_of(findings_of(host, nodes_.at(host)), [&](const BurninFinding& one) {
    return one.status == BurninStatus::cleared || !measures.contains(one.measure);
  });
}

BurninNodeState BurninBook::state_of(const std::string& host, const Node& node) const {
  const std::vector<BurninFinding> findings = findings_of(host, node);
  const auto any = [&](BurninStatus status, bool measured) {
    return std::ranges::any_of(findings, [&](const BurninFinding& one) {
      return one.status == status && (!measured || one.visits > 0 || looked_at_.contains(finding_key(one)));
    });
  };
  if (any(BurninStatus::shown, false)) return BurninNodeState::bad;
  if (!node.given_up_why.empty()) return BurninNodeState::not_tested;
  if (any(BurninStatus::suspect, false)) return BurninNodeState::suspect;
  if (any(BurninStatus::apart, false)) return BurninNodeState::apart;
  if (any(BurninStatus::unclear, true)) return BurninNodeState::suspect;
  if (!is_complete_) return node.is_started ? BurninNodeState::testing : BurninNodeState::untested;
  const bool is_tested = node.is_started && node.has_answered && !any(BurninStatus::unclear, false);
  return is_tested ? BurninNodeState::good : BurninNodeState::not_tested;
}

std::string BurninBook::reason_of(const std::string& host, const Node& node) const {
  const auto whys = [&](BurninStatus status) {
    std::string text;
    for (const BurninFinding& finding : findings_of(host, node))
      if (finding.status == status) text += (text.empty() ? "" : "; ") + finding.why;
    return text;
  };
  switch (node.state) {
    case BurninNodeState::bad:
      return whys(BurninStatus::shown);
    case BurninNodeState::apart:
      return whys(BurninStatus::apart);
    case BurninNodeState::suspect: {
      const std::string suspected = whys(BurninStatus::suspect);
      return suspected.empty() ? "not clear: " + whys(BurninStatus::unclear) : suspected;
    }
    case BurninNodeState::not_tested: {
      if (!node.given_up_why.empty()) return node.given_up_why;
      const std::string unclear = whys(BurninStatus::unclear);
      if (!unclear.empty()) return unclear;
      return node.is_started ? "it could do none of the rounds" : "no cell was ever made of it";
    }
    default:
      return {};
  }
}

void BurninBook::update(const std::string& host) {
  Node& node = nodes_.at(host);
  const BurninNodeState now = state_of(host, node);
  const BurninNodeState before = std::exchange(node.state, now);
  if (now != before) changes_.push_back({host, before, now, reason_of(host, node)});
}

std::string BurninBook::why_lost(const std::string& host) const {
  const Node& node = nodes_.at(host);
  return fmt::format("{} {}", node.has_answered ? "did not answer any more" : "was never reached", node.last_loss);
}

void BurninBook::give_up(const std::string& host, const std::string& why, bool died) {
  Node& node = nodes_.at(host);
  if (!node.given_up_why.empty()) return;
  node.given_up_why = why;
  if (died) node.died.push_back({.measure = "died", .host = host, .status = BurninStatus::unclear, .why = why});
  update(host);
}

void BurninBook::skip(const std::string& round, const std::string& why) {
  fleet_[key_of_skipped(round)] = {.measure = std::string(kSkippedRound),
                                   .status = BurninStatus::unclear,
                                   .why = fmt::format("round {} skipped: {}", round, why)};
}

void BurninBook::complete() {
  is_complete_ = true;
  judge_carriers();
  for (const auto& [host, node] : nodes_) update(host);
}

void BurninBook::count_cycle() {
  cycles_.push_back({.observations = observations_.size(),
                     .at_ns = cycle_first_ns_ + (cycle_last_ns_ - cycle_first_ns_) / 2 - first_ns_});
  cycle_first_ns_ = cycle_last_ns_ = 0;
}

void BurninBook::end_cycle() {
  findings_of_cycle_ = findings_;
  looked_at_of_cycle_ = looked_at_;
  for (const auto& [round, findings] : findings_)
    for (const BurninFinding& finding : findings)
      if (finding.status == BurninStatus::apart) apart_[round].try_emplace(finding_key(finding), finding);
  std::erase_if(recent_, [](const BurninObservation& one) { return one.confirms; });
  std::size_t before = 0;
  for (const std::size_t count : counts_by_cycle_) before += count;
  counts_by_cycle_.push_back(recent_.size() - before);
  if (counts_by_cycle_.size() < kJudgedCycles) return;
  recent_.erase(recent_.begin(), recent_.begin() + static_cast<std::ptrdiff_t>(counts_by_cycle_.front()));
  counts_by_cycle_.pop_front();
}

void BurninBook::complete_by_cycle() {
  findings_ = std::move(findings_of_cycle_);
  looked_at_ = std::move(looked_at_of_cycle_);
  for (auto& [round, findings] : findings_) keep_shown(findings);
  complete();
}

std::vector<BurninChange> BurninBook::changes() { return std::exchange(changes_, {}); }

std::map<std::string, int> BurninBook::count_states() const {
  std::map<std::string, int> counts;
  for (const auto& [host, node] : nodes_) ++counts[std::string(to_string(node.state))];
  return counts;
}

BurninNodeReport BurninBook::report_of(const BurninHost& host, const Node& node) const {
  BurninNodeReport report{.host = host.name,
                          .group = host.group,
                          .machine_class = classes_.at(host.name),
                          .state = node.state,
                          .reason = reason_of(host.name, node),
                          .findings = findings_of(host.name, node),
                          .facts = node.facts,
                          .skipped = node.skipped,
                          .remarks = node.odd_facts};
  report.remarks.insert(report.remarks.end(), node.new_starts.begin(), node.new_starts.end());
  if (node.lost_cells > 0 && node.given_up_why.empty())
    report.remarks.push_back(fmt::format("nothing came of it in {} of its {} cells, the last time {}", node.lost_cells,
                                         node.cells, node.last_loss));
  for (const auto& [check, what] : node.warnings) report.remarks.push_back(fmt::format("check {}: {}", check, what));
  return report;
}

BurninReport BurninBook::report() const {
  BurninReport report{.config = setup_.config, .complete = is_complete_, .observations = observations_, .lost = lost_};
  const auto figures = node_figures(evidence(""));
  for (const BurninHost& host : setup_.hosts) {
    report.nodes.push_back(report_of(host, nodes_.at(host.name)));
    if (const auto own = figures.find(host.name); own != figures.end()) report.nodes.back().figures = own->second;
  }
  for (const auto& [key, finding] : shown_)
    if (!finding.peer.empty()) report.links.push_back(finding);
  for (const auto& [round, findings] : findings_)
    for (const BurninFinding& finding : findings)
      if (!finding.peer.empty() && finding.status != BurninStatus::clear) report.links.push_back(finding);
  BurninEvidence recent = evidence("");
  recent.observations = &recent_;
  report.groups = slow_groups(recent);
  hold_back_groups(report);
  sort_by_gravity(report.links);
  sort_by_gravity(report.groups);
  if (setup_.reference) report.fleet = fleet_shift(evidence(""));
  const auto uneven = uneven_classes(evidence(""));
  report.fleet.insert(report.fleet.end(), uneven.begin(), uneven.end());
  for (const auto& [key, finding] : fleet_) report.fleet.push_back(finding);
  report.drift = burnin_drift(evidence(""), cycles_);
  return report;
}

}  // namespace grit
