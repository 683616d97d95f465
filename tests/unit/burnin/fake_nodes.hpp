// Nodes that are only numbers, and a judge that knows what they should be: for the order of cells alone.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "harness/burnin/scheduler.hpp"

namespace grit {

struct FakeNodes {
  std::map<std::string, double> compute{};                          // of 100; those not named have 100
  std::map<std::string, double> link{};                             // likewise, of all links of a node
  std::map<std::pair<std::string, std::string>, double> between{};  // likewise, of one link, each way round
  std::map<std::string, int> dies_after{};                          // so many cells
  std::set<std::string> without_network{};    // answers alone, and takes every cell with others along
  std::map<std::string, int> alarms_after{};  // so many cells; in every one that reads its checks
  std::set<std::string> other_bios{};
  std::set<std::string> computes_wrongly{};         // and says an error; then compute has no rate, of nobody
  std::string cannot_do{};                          // a kind in which every node says an error
  std::map<std::string, int> started_anew_after{};  // so many cells; then nodes say which start of theirs it is
  int session_after = 1'000'000;                    // cells of all nodes another front end goes on
  std::map<std::string, std::set<int>> loses{};     // its cells by number, from 0
  /// After so many cells of all nodes, one a second; "": of every node. Then nodes say what they have lost, at a cell's
  /// begin and at its end, and a run takes their links down.
  std::map<std::string, std::set<int>> carrier_lost{};
  int cells_of_all = 0;
  std::map<std::string, int> cells{};  // how many a node was in
  std::map<std::string, int> runs{};   // of these such as run a scenario

  static double of(const std::map<std::string, double>& values, const std::string& host) {
    const auto found = values.find(host);
    return found == values.end() ? 100 : found->second;
  }

  /// How often the links of a node were lost by now.
  [[nodiscard]] int lost_by(const std::string& host, int cells_done) const {
    int lost = 0;
    for (const auto& [whose, moments] : carrier_lost)
      if (whose.empty() || whose == host)
        lost +=
            static_cast<int>(std::ranges::count_if(moments, [&](const int moment) { return moment <= cells_done; }));
    return lost;
  }
  void add_carriers(BurninCellResult& result) {
    constexpr std::int64_t kSecond_ns = 1'000'000'000;
    result.started_ns = cells_of_all * kSecond_ns;
    result.took_ns = kSecond_ns / 2;
    for (const std::string& host : result.cell.hosts) {
      const int lost = lost_by(host, cells_of_all) + 10 * runs[host];
      const BurninCarriers carriers{
          .netns = "4:1", .read_ns = result.started_ns, .nics = {{.nic = "eth0", .ifindex = 2, .lost = lost}}};
      result.carriers[host] = {carriers};
      if (result.cell.kinds.empty())
        ++runs[host];
      else
        result.carriers[host].push_back(carriers);
    }
  }

  /// What a cell comes to. A cell with a dead node, or one that does not get through, has no figures at all.
  BurninCellResult run(const BurninCell& cell) {
    BurninCellResult result{.cell = cell, .session = cells_of_all++ < session_after ? 1 : 2};
    for (const std::string& host : cell.hosts) {
      const int before = cells[host]++;
      const auto limit = dies_after.find(host);
      const bool is_dead = limit != dies_after.end() && before >= limit->second;
      if (!started_anew_after.empty()) {
        const auto anew = started_anew_after.find(host);
        const bool is_new = anew != started_anew_after.end() && before >= anew->second;
        result.boot_ids[host] = fmt::format("{}-{}", host, is_new ? 2 : 1);
      }
      if (const auto lost = loses.find(host); lost != loses.end() && lost->second.contains(before))
        result.end = BurninCellEnd::timed_out;
      if (is_dead || (cell.hosts.size() > 1 && without_network.contains(host))) result.end = BurninCellEnd::timed_out;
    }
    if (!carrier_lost.empty()) add_carriers(result);
    if (result.end != BurninCellEnd::completed) return result;
    if (cell.kinds.empty())
      for (const std::string& host : cell.hosts) result.skipped[host] = {"link_after_flap"};
    for (const std::string& kind : cell.kinds)
      for (const std::string& host : cell.hosts) add(result, kind, host);
    return result;
  }

  void add(BurninCellResult& result, const std::string& kind, const std::string& host) const {
    const BurninCell& cell = result.cell;
    if (kind == cannot_do) {
      result.errors[host] = fmt::format("{} has no {}", host, kind);
      return;
    }
    if (kind == "facts") result.facts[host] = {{"cpu_model", "one"}, {"bios", other_bios.contains(host) ? "2" : "1"}};
    if (kind == "checks") add_checks(result, host);
    const auto figure = [&](const char* measure, const std::string& peer, double value, double exposure = 0) {
      result.observations.push_back({.measure = measure,
                                     .host = host,
                                     .peer = peer,
                                     .value = value,
                                     .exposure = exposure,
                                     .cell = cell.id,
                                     .visit = cell.visit,
                                     .confirms = cell.confirms});
    };
    if (kind == "compute" && computes_wrongly.empty()) figure("compute", "", of(compute, host));
    if (kind == "compute" && !computes_wrongly.empty()) {
      const bool is_wrong = computes_wrongly.contains(host);
      figure("wrong_results", "", is_wrong ? 1 : 0, 100);
      if (is_wrong) result.errors[host] = "and then it crashed";
    }
    if (kind == "collective" || kind == "training") {
      double slowest = 100;
      for (const std::string& one : cell.hosts) slowest = std::min(slowest, of(link, one));
      figure("collective", "", slowest);
    }
    if (kind != "link") return;
    const std::string& peer = cell.hosts[0] == host ? cell.hosts[1] : cell.hosts[0];
    const auto known = between.find({host, peer});
    const double own = known == between.end() ? 100 : known->second;
    figure("link_rate", peer, std::min({own, of(link, host), of(link, peer)}));
  }

  void add_checks(BurninCellResult& result, const std::string& host) const {
    const auto alarms = alarms_after.find(host);
    if (alarms != alarms_after.end() && cells.at(host) > alarms->second)
      result.alarms.push_back({host, "link_up", "eth0", "critical", "it is down", false});
    else
      result.alarm_free[host] = {"link_up"};
  }
};

/// A node is bad below 95 by its best figure, since its partners may be what is bad; first it is suspected. A link is
/// bad below 95 when both of its ends are better with others.
inline std::vector<BurninFinding> judge_fakes(const BurninEvidence& evidence) {
  const BurninRound* round = nullptr;
  for (const BurninRound& one : evidence.config->rounds)
    if (one.name == evidence.round) round = &one;
  if (round == nullptr) return {};
  const std::map<std::string, std::string> measures{
      {"compute", "compute"}, {"link", "link_rate"}, {"collective", "collective"}, {"training", "collective"}};
  std::vector<BurninFinding> findings;
  for (const std::string& kind : round->kinds) {
    if (!measures.contains(kind)) continue;
    const std::string& measure = measures.at(kind);
    std::map<std::string, double> best, best_fresh;
    std::map<std::pair<std::string, std::string>, double> links;
    for (const BurninObservation& one : *evidence.observations) {
      if (one.measure != measure) continue;
      auto& of = one.confirms ? best_fresh : best;
      of[one.host] = std::max(of[one.host], one.value);
      if (!one.peer.empty()) of[one.peer] = std::max(of[one.peer], one.value);
      if (!one.peer.empty() && one.host < one.peer) links[{one.host, one.peer}] = one.value;
    }
    const auto add = [&](BurninFinding finding, bool slow) {
      const bool looked = evidence.looks.contains(finding_key(finding));
      if (!looked && !slow) return;
      finding.status = !looked ? BurninStatus::suspect : slow ? BurninStatus::shown : BurninStatus::cleared;
      finding.why = measure + " is low";
      findings.push_back(finding);
    };
    for (const auto& [host, value] : best) {
      const BurninFinding finding{.measure = measure, .host = host};
      const bool looked = evidence.looks.contains(finding_key(finding));
      add(finding, looked && best_fresh.contains(host) ? best_fresh.at(host) < 95 : value < 95);
    }
    for (const auto& [ends, value] : links)
      if (best.at(ends.first) >= 95 && best.at(ends.second) >= 95)
        add({.measure = measure, .host = ends.first, .peer = ends.second}, value < 95);
  }
  return findings;
}

inline BurninSetup fake_setup(int nodes, std::vector<BurninRound> rounds, int parallel = 3) {
  BurninSetup setup{.parallel = parallel};
  for (int i = 0; i < nodes; ++i) setup.hosts.push_back({.name = fmt::format("n{:02}", i)});
  setup.config.rounds = std::move(rounds);
  setup.config.confirm_visits = 2;
  return setup;
}

inline BurninRound facts_round() { return {.name = "facts", .kinds = {"facts"}, .alone = false}; }
inline BurninRound compute_round(int visits = 3) { return {.name = "solo", .kinds = {"compute"}, .visits = visits}; }
inline BurninRound links_round(int visits = 3) {
  return {.name = "links", .kinds = {"link"}, .shape = BurninShape::pair, .visits = visits};
}
inline BurninRound group_round(std::vector<int> sizes, int visits = 2) {
  return {.name = "groups",
          .kinds = {"collective"},
          .shape = BurninShape::group,
          .sizes = std::move(sizes),
          .visits = visits};
}
inline std::vector<BurninRound> all_rounds(std::vector<int> group_sizes = {4}) {
  return {facts_round(), compute_round(), links_round(), group_round(std::move(group_sizes))};
}

/// A burn-in of fakes, held to what must always be so: no cell twice, no node in two cells at once, none in any after
/// it was bad or given up.
class FakeBurnin {
 public:
  FakeBurnin(BurninSetup setup, FakeNodes nodes, BurninJudge judge = judge_fakes)
      : setup_(std::move(setup)), nodes_(std::move(nodes)), scheduler_(setup_, std::move(judge)) {
    start();
  }

  /// The oldest cell ends (`pick` 0), or another one. False: all is done.
  bool step(std::size_t pick = 0) {
    if (running_.empty()) return false;
    const auto which = running_.begin() + static_cast<std::ptrdiff_t>(pick % running_.size());
    BurninCellResult result = nodes_.run(*which);
    running_.erase(which);
    results.push_back(result);
    for (BurninChange& change : scheduler_.take(std::move(result))) {
      if (states[change.host] != change.from) wrong.push_back("a change from another state: " + change.host);
      states[change.host] = change.to;
      changes.push_back(change);
    }
    start();
    return true;
  }

  void run() {
    while (step(results.size() * 7)) {
    }
  }

  [[nodiscard]] BurninNodeState state(const std::string& host) const { return states.at(host); }
  [[nodiscard]] BurninReport report() const { return scheduler_.report(); }
  [[nodiscard]] std::vector<std::string> ids() const {
    std::vector<std::string> made;
    for (const BurninCell& cell : started) made.push_back(cell.id);
    return made;
  }
  [[nodiscard]] std::vector<std::string> hosts_in(BurninNodeState state) const {
    std::vector<std::string> hosts;
    for (const auto& [host, is] : states)
      if (is == state) hosts.push_back(host);
    return hosts;
  }
  BurninScheduler& scheduler() { return scheduler_; }

  std::vector<BurninCell> started{};
  std::vector<BurninCellResult> results{};
  std::vector<BurninChange> changes{};
  std::map<std::string, BurninNodeState> states{};
  std::vector<std::string> wrong{};  // of what must always be so
  std::size_t most_running = 0;

 private:
  void start() {
    for (BurninCell& cell : scheduler_.next()) {
      for (const BurninCell& other : started)
        if (other.id == cell.id) wrong.push_back("twice: " + cell.id);
      for (const std::string& host : cell.hosts) {
        if (states[host] == BurninNodeState::bad || states[host] == BurninNodeState::not_tested)
          wrong.push_back(cell.id + " has a node that is out");
        for (const BurninCell& other : running_)
          if (std::ranges::find(other.hosts, host) != other.hosts.end())
            wrong.push_back(cell.id + " beside " + other.id);
      }
      started.push_back(cell);
      running_.push_back(std::move(cell));
    }
    most_running = std::max(most_running, running_.size());
  }

  BurninSetup setup_;
  FakeNodes nodes_;
  BurninScheduler scheduler_;
  std::deque<BurninCell> running_{};
};

}  // namespace grit
