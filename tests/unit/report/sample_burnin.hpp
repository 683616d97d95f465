// Burn-ins made by hand for the tests of text, page and files.
#pragma once

#include <fmt/format.h>

#include <random>
#include <string>

#include "harness/model/burnin.hpp"

namespace grit::test {

inline BurninConfig burnin_config() {
  BurninConfig config;
  config.name = "quick";
  config.summary = "minutes: is anything clearly wrong?";
  config.rounds = {{.name = "facts", .kinds = {"facts", "checks"}, .limit_ns = 60'000'000'000, .alone = false},
                   {.name = "solo",
                    .kinds = {"compute", "memory", "storage"},
                    .visits = 3,
                    .length_ns = 800'000'000,
                    .limit_ns = 60'000'000'000},
                   {.name = "links",
                    .kinds = {"link"},
                    .shape = BurninShape::pair,
                    .visits = 3,
                    .length_ns = 1'000'000'000,
                    .limit_ns = 40'000'000'000}};
  config.limits["compute"].tolerance = 0.03;
  config.limits["memory"].at_least = 8e9;
  return config;
}

/// Figures of a healthy node, and of its links to the partners that it meets.
class BurninMaker {
 public:
  BurninMaker(int nodes, int partners) : nodes_(nodes), partners_(partners) {
    report_.config = burnin_config();
    report_.launcher = "local cluster";
    report_.started_utc = "20261123T081500Z";
    report_.took_ns = 172'000'000'000;
    report_.complete = true;
    report_.round_took_ns = {{"facts", 6'000'000'000}, {"solo", 41'000'000'000}, {"links", 29'000'000'000}};
    for (int node = 0; node < nodes; ++node) add_node(node);
    for (int visit = 0; visit < partners_; ++visit)
      for (int node = 0; node < nodes; ++node) add_links(node, (node + 1 + visit) % nodes, visit);
  }
  BurninReport& report() { return report_; }
  [[nodiscard]] std::string name(int node) const { return fmt::format("n{:0{}}", node + 1, nodes_ > 99 ? 4 : 2); }

 private:
  double about(double value, double spread) { return value * (1 + spread * (unit_(random_) - 0.5)); }
  void add_node(int node) {
    BurninNodeReport one;
    one.host = name(node);
    one.group = fmt::format("leaf{}", 1 + node * 2 / std::max(8, nodes_ / 16));
    one.machine_class = "EPYC 9654";
    one.state = BurninNodeState::good;
    one.figures = {{"compute", about(12.3e9, 0.012)},     {"memory", about(9.8e9, 0.04)},
                   {"link_rate", about(9.4e9, 0.01)},     {"link_latency", about(31e-6, 0.1)},
                   {"link_loss", about(0.00002, 1)},      {"wrong_results", 0},
                   {"training_own", about(0.0413, 0.015)}};
    one.facts = {{"kernel", "6.1.0-28-amd64"}, {"cores", "2"}};
    one.skipped = {"storage: the disk is a tmpfs", "GPU: no device backend is built in"};
    report_.nodes.push_back(std::move(one));
  }
  void add_links(int node, int peer, int visit) {
    if (node == peer) return;
    const auto add = [&](const char* measure, double value, double exposure) {
      report_.observations.push_back({.measure = measure,
                                      .host = name(node),
                                      .peer = name(peer),
                                      .value = value,
                                      .exposure = exposure,
                                      .cell = fmt::format("links/{}/{}+{}", visit, name(node), name(peer)),
                                      .visit = visit});
    };
    add("link_rate", about(9.4e9, 0.02), 0);
    add("link_latency", about(31e-6, 0.1), 0);
    add("link_loss", node % 3 == 0 ? 2 : 0, 80'000);
  }

  int nodes_, partners_;
  std::mt19937_64 random_{7};
  std::uniform_real_distribution<double> unit_{0, 1};
  BurninReport report_{};
};

inline BurninFinding shown_finding(const std::string& host, const std::string& measure, double worse, std::string why) {
  return {.measure = measure,
          .host = host,
          .status = BurninStatus::shown,
          .worse = worse,
          .worse_low = worse * 0.9,
          .worse_high = worse * 1.1,
          .p_noise = 2e-7,
          .p_peers = 1e-5,
          .peers = 11,
          .visits = 9,
          .why = std::move(why)};
}

inline void make_bad(BurninNodeReport& node, const std::string& measure, double figure, double worse, std::string why) {
  node.state = BurninNodeState::bad;
  node.reason = why;
  node.figures[measure] = figure;
  node.findings.push_back(shown_finding(node.host, measure, worse, std::move(why)));
}

/// Slower for sure, and not told from the slow end of an uneven fleet.
inline void set_apart(BurninNodeReport& node, const std::string& measure, double figure, double worse,
                      std::string why) {
  node.state = BurninNodeState::apart;
  node.reason += (node.reason.empty() ? "" : "; ") + why;
  node.figures[measure] = figure;
  node.findings.push_back(shown_finding(node.host, measure, worse, std::move(why)));
  node.findings.back().status = BurninStatus::apart;
  node.findings.back().p_peers = 0.02;
}

/// A slow group, whose one good node is set apart with it.
inline void add_bad_group(BurninReport& report) {
  const std::string why =
      "bandwidth of the link: the 4 nodes of leaf3 are 17 % worse in the middle than the 8 others: what they share (a "
      "switch, an uplink, power, cooling) rather than each of them";
  BurninFinding group = shown_finding("", "link_rate", 0.17, why);
  group.group = "leaf3";
  group.worse_low = group.worse_high = group.worse;
  group.p_noise = group.p_peers = 0.0014;
  group.peers = 8, group.visits = 0;
  report.groups.push_back(group);
  report.nodes[11].state = BurninNodeState::apart;
  report.nodes[11].reason = "its group leaf3: " + why;
}

/// Further outcomes of n09 to n11, and of a link.
inline void add_unsure(BurninReport& report) {
  const std::string unknown = "; faulty, or the slow end of an uneven fleet?";
  set_apart(report.nodes[8], "memory", 8.4e9, 0.14, "memory bandwidth 14 % lower than 11 peers (13 .. 15 %)" + unknown);
  set_apart(report.nodes[9], "memory", 8.7e9, 0.11, "memory bandwidth 11 % lower than 11 peers (10 .. 12 %)" + unknown);
  set_apart(report.nodes[9], "training_own", 0.0443, 0.071,
            "own work of a training step 7.1 % longer than 11 peers (6.4 .. 7.8 %)" + unknown);
  BurninNodeReport& unclear = report.nodes[10];
  unclear.state = BurninNodeState::suspect;
  unclear.reason = "not clear: latency of the link 60 % longer than 11 peers (44 .. 76 %), where 50 % matter";
  unclear.figures["link_latency"] = 49e-6;
  unclear.findings.push_back(shown_finding(unclear.host, "link_latency", 0.6, unclear.reason));
  unclear.findings.back().status = BurninStatus::unclear;
  unclear.findings.back().worse_low = 0.44, unclear.findings.back().worse_high = 0.76;
  unclear.findings.back().p_noise = 0.11;
  BurninFinding link = shown_finding("n02", "link_rate", 0.18, "bandwidth of the link 18 % lower" + unknown);
  link.peer = "n07";
  link.status = BurninStatus::apart, link.p_peers = 0.03;
  report.links.push_back(link);
}

/// Twelve nodes: three bad, two set apart by themselves and one with its group, one not clear, one dead, one cleared;
/// between good ones a bad link and one that was set apart; a bad group.
inline BurninReport sample_burnin() {
  BurninMaker maker(12, 7);
  BurninReport& report = maker.report();
  make_bad(report.nodes[2], "compute", 11.67e9, 0.051,
           "matrix products 5.1 % slower than 11 peers (4.6 .. 5.6 %): 11.7 GFLOP/s, theirs 12.3 GFLOP/s");
  make_bad(report.nodes[4], "link_rate", 4.7e9, 0.5,
           "bandwidth of the link 50 % lower than 11 peers (45 .. 55 %): 4.7 Gbit/s, theirs 9.4 Gbit/s");
  make_bad(report.nodes[5], "link_loss", 0.0051, 0, "0.51 % of segments sent again, at most 0.05 % is good");
  for (BurninObservation& one : report.observations) {
    if (one.measure == "link_rate" && (one.host == "n05" || one.peer == "n05")) one.value /= 2;
    if (one.measure == "link_loss" && one.host == "n06") one.value = 408;
    if (one.measure == "link_rate" && one.host == "n01" && one.peer == "n04") one.value = 6.1e9;
    if (one.measure == "link_rate" && one.host == "n02" && one.peer == "n07") one.value = 7.7e9;
  }
  report.nodes[1].findings.push_back({.measure = "memory",
                                      .host = "n02",
                                      .status = BurninStatus::cleared,
                                      .worse = 0.021,
                                      .worse_low = 0.009,
                                      .worse_high = 0.033,
                                      .p_noise = 0.99,
                                      .p_peers = 0.31,
                                      .peers = 11,
                                      .visits = 9,
                                      .why = "memory bandwidth 9.1 % lower in the first visits, 2.1 % in fresh ones "
                                             "(0.9 .. 3.3 %), where 8 % matter"});
  report.nodes[1].figures["memory"] = 9.6e9;
  report.nodes[6].remarks = {"kernel 6.1.0-27-amd64, most have 6.1.0-28-amd64"};
  BurninNodeReport& dead = report.nodes[7];
  dead.state = BurninNodeState::not_tested;
  dead.reason = "did not answer any more in round links";
  dead.figures.erase("training_own");
  dead.findings.push_back({.measure = "died", .host = "n08", .status = BurninStatus::unclear, .why = dead.reason});
  BurninFinding link = shown_finding("n01", "link_rate", 0.35, "");
  link.peer = "n04";
  link.why = "bandwidth of the link 35 % lower than that of both ends with others: 6.1 Gbit/s";
  report.links.push_back(link);
  add_unsure(report);
  add_bad_group(report);
  report.lost.push_back({.cell = {.id = "links/2/n03+n08", .round = "links", .visit = 2, .hosts = {"n03", "n08"}},
                         .end = BurninCellEnd::timed_out,
                         .status = 143,
                         .words = "ORTE has lost communication with a remote daemon.",
                         .kernel_lines = {{"n08", {"Kernel panic - not syncing: Fatal exception"}}},
                         .command = {"mpirun", "-H", "n03,n08", "grit", "measure"},
                         .took_ns = 45'000'000'000});
  return report;
}

/// A fleet in which about one node in a hundred is bad.
inline BurninReport large_burnin(int nodes) {
  BurninMaker maker(nodes, 5);
  BurninReport& report = maker.report();
  report.launcher = "srun";
  for (std::size_t i = 50; i < report.nodes.size(); i += 101)
    make_bad(report.nodes[i], "compute", 12.3e9 * (0.8 + 0.001 * static_cast<double>(i % 100)), 0.1,
             "matrix products 10 % slower than its peers");
  for (std::size_t i = 70; i < report.nodes.size(); i += 701) {
    report.nodes[i].state = BurninNodeState::suspect;
    report.nodes[i].reason = "latency of the link 40 % higher, neither shown nor cleared";
    report.nodes[i].findings.push_back(
        shown_finding(report.nodes[i].host, "link_latency", 0.4, report.nodes[i].reason));
    report.nodes[i].findings.back().status = BurninStatus::unclear;
    report.nodes[i].figures["link_latency"] *= 1.4;
  }
  return report;
}

}  // namespace grit::test
