// Which links are slow, and when a slow link is only a symptom.
#include <cmath>
#include <functional>
#include <random>

#include "analysis/blame/culprit.hpp"
#include "analysis/blame/links.hpp"
#include "tests/catch.hpp"
#include "tests/unit/analysis/culprit_fixture.hpp"

using namespace grit;
using namespace grit::testing;

namespace {

/// Two baseline and two fault blocks of links whose blocks differ by `noise` (of the logarithm, as have other links on
/// a busy machine) and single figures by three times as much; in fault blocks all are `all` times slower and the link
/// of node 1 and the last one `times` on top.
std::optional<LinkFinding> noisy_links(std::mt19937_64& random, int nodes, double noise, double all, double times) {
  std::normal_distribution<double> normal{0, 1};
  Json links = Json::array();
  for (const int block : {1, 2, 3, 4})
    for (int a = 0; a < nodes; ++a)
      for (int b = a + 1; b < nodes; ++b) {
        const bool fault = block % 2 == 0;
        const double latency = std::exp(noise * normal(random)), rate = std::exp(noise * normal(random));
        const double slow = fault ? all * (a == 1 && b == nodes - 1 ? times : 1) : 1;
        for (int i = 0; i < 15; ++i) {
          const double one = 5e4 * latency * slow * std::exp(3 * noise * normal(random));
          links.push_back({{"block", block},
                           {"kind", fault ? "link_fault" : "link_baseline"},
                           {"a", a},
                           {"b", b},
                           {"latency_ns", {{"median", one}, {"max", one * (2 + std::abs(normal(random)))}}},
                           {"bits_per_s", 1e10 / rate / slow * std::exp(3 * noise * normal(random))}});
        }
      }
  return judge_links(link_figures(link_lines(Json{{"links", links}})));
}

}  // namespace

TEST_CASE("the one slow link of two nodes is named also where no link is quite as it was", "[statistics]") {
  const int nodes = GENERATE(3, 4, 8);
  const double noise = GENERATE(0.02, 0.1), all = GENERATE(1.0, 1.3);
  CAPTURE(nodes, noise, all);
  std::mt19937_64 random(7);
  int right = 0, wrong = 0, false_alarms = 0;
  constexpr int kRuns = 25;
  for (int run = 0; run < kRuns; ++run) {
    const auto slow = noisy_links(random, nodes, noise, all, 10);
    if (slow && slow->named()) (slow->a == 1 && slow->b == nodes - 1 ? right : wrong) += 1;
    const auto nothing = noisy_links(random, nodes, noise, all, 1);
    if (nothing && nothing->named()) ++false_alarms;
  }
  CHECK(right >= kRuns - 1);
  CHECK(wrong == 0);
  CHECK(false_alarms <= 1);
}

TEST_CASE("a link between nodes of which one waits for CPUs that others take is a symptom") {
  SimulatedJob job({});
  job.run({}, [](int) { return 15e6; });
  job.count([](bool fault, int rank) { return counters(50, fault && rank == 3 ? 150 : 2); });
  count_machine(job, [](int, bool fault) { return fault ? 400e6 : 20e6; });
  const auto culprit = culprit_of(job, links_of([](int a, int b) { return a == 1 && b == 3 ? 8.0 : 1.25; }));
  REQUIRE(culprit);
  INFO(culprit->text);
  CHECK(culprit->named == 0);
  CHECK(culprit->text.starts_with("no single culprit: all nodes alike: a shared resource, compute, explains "));
}

TEST_CASE("a link that alone is slow is not slow for want of CPUs") {
  SimulatedJob job({});
  job.run({}, [](int) { return 15e6; });
  job.count([](bool fault, int) { return counters(50, fault ? 150 : 2); });
  const auto culprit = culprit_of(job, links_of([](int a, int b) { return a == 1 && b == 3 ? 8.0 : 1.25; }));
  REQUIRE(culprit);
  CHECK(culprit->named);
  CHECK(culprit->text.starts_with("link node1–node3, network, explains "));
}

TEST_CASE("the link test finds a stall that is rare, and contradicting measures name nobody") {
  Json links = links_of([](int, int) { return 1.0; });
  for (Json& entry : links["links"])
    if (entry["kind"] == "link_fault" && (entry["a"] == 2 || entry["b"] == 2) && entry["latency_ns"]["min"] == 4e4)
      entry["latency_ns"]["max"] = 1e9;
  CHECK(judge_links(link_figures(link_lines(links)))->nodes == std::vector{2});
  for (Json& entry : links["links"])
    if (entry["kind"] == "link_fault" && (entry["a"] == 0 || entry["b"] == 0) && entry["b"] != 2)
      entry["bits_per_s"] = 1e8;
  for (Json& entry : links["links"])
    if (entry["kind"] == "link_fault" && entry["a"] == 0 && entry["b"] == 2) entry["bits_per_s"] = 1e8;
  CHECK_FALSE(judge_links(link_figures(link_lines(links))).has_value());
  CHECK_FALSE(judge_links(link_figures(link_lines(Json("torn")))).has_value());
  CHECK(link_figures(link_lines(Json{{"links", {1, "x", {{"a", 3}, {"b", 1}}}}})).changes.empty());
}

TEST_CASE("a link over which nothing came through under the fault is named, and said where it is not") {
  // 10 entries of each link and kind of block.
  const auto without = [](const std::function<bool(int a, int b)>& silent, bool transfers_only = false) {
    Json links = links_of([](int, int) { return 1.0; });
    Json kept = Json::array();
    for (Json entry : links["links"]) {
      const bool dropped = entry["kind"] == "link_fault" && silent(entry["a"].get<int>(), entry["b"].get<int>());
      if (dropped && !transfers_only) continue;
      if (dropped) entry["bits_per_s"] = Json();
      kept.push_back(entry);
    }
    return Json{{"links", kept}};
  };
  SimulatedJob job({});
  job.run({}, [](int) { return 15e6; });
  const auto is_1_3 = [](int a, int b) { return a == 1 && b == 3; };
  const auto of_node2 = [](int a, int b) { return a == 2 || b == 2; };

  const auto one = culprit_of(job, without(is_1_3));
  REQUIRE(one);
  CHECK(one->text.starts_with("link node1–node3, network, explains "));
  CHECK(one->suspects.at(0).why.find("no message came through over this link under the fault (10 without it)") !=
        std::string::npos);
  CHECK(culprit_of(job, without(is_1_3, true))->text.starts_with("link node1–node3, network, explains "));
  CHECK(culprit_of(job, without(of_node2))->text.starts_with("node2, network, explains "));

  // Two that have no node in common: nobody is named, and the link test has not found that no link is slow.
  const auto two = culprit_of(job, without([](int a, int b) { return a + 1 == b && a != 1; }));
  REQUIRE(two);
  CHECK(two->text.starts_with("network, node cannot be told, explains "));
  CHECK(two->suspects.at(0).why.find("nothing to compare on link node0–node1, link node2–node3, over which no message "
                                     "came through under the fault") != std::string::npos);
  CHECK(two->suspects.at(0).why.find("found no slow link") == std::string::npos);

  // Where three were due it may be chance that none came.
  Json few = without(is_1_3);
  int kept = 0;
  for (auto entry = few["links"].begin(); entry != few["links"].end();)
    entry = is_1_3((*entry)["a"], (*entry)["b"]) && ++kept > 3 ? few["links"].erase(entry) : entry + 1;
  const auto chance = culprit_of(job, few);
  REQUIRE(chance);
  CHECK(chance->text.starts_with("network, node cannot be told, explains "));
  CHECK(chance->suspects.at(0).why.find("nothing to compare on link node1–node3") != std::string::npos);
}

TEST_CASE("a link with no transfer in one of the fault blocks is compared by the others") {
  Json links = Json::array();
  for (const int block : {1, 2, 3, 4})
    for (int a = 0; a < 4; ++a)
      for (int b = a + 1; b < 4; ++b)
        for (int i = 0; i < 5; ++i) {
          const bool slow = block % 2 == 0 && a == 1 && b == 3;
          links.push_back({{"block", block},
                           {"kind", block % 2 == 0 ? "link_fault" : "link_baseline"},
                           {"a", a},
                           {"b", b},
                           {"latency_ns", {{"median", 5e4}, {"max", 9e4}}},
                           {"bits_per_s", slow && block == 4 ? Json() : Json(slow ? 1e9 : 1e10)}});
        }
  const auto found = judge_links(link_figures(link_lines(Json{{"links", links}})));
  REQUIRE(found);
  CHECK(found->a == 1);
  CHECK(found->b == 3);
}

TEST_CASE("rare loss shows in what TCP sent again, not in the times") {
  Json links = links_of([](int, int) { return 1.0; });
  int count = 0;
  for (Json& entry : links["links"]) entry["block"] = (entry["kind"] == "link_fault" ? 2 : 1) + 2 * (count++ % 2);
  // Of node 2's segments some are lost, of those to it none: it sends again, and its peers do not.
  const auto sent_again = [](int lost) {
    Json tcp = Json::array();
    for (const int block : {1, 2, 3, 4})
      for (int from = 0; from < 4; ++from)
        for (int to = 0; to < 4; ++to)
          if (from != to)
            tcp.push_back({{"block", block},
                           {"kind", block % 2 == 0 ? "link_fault" : "link_baseline"},
                           {"from", from},
                           {"to", to},
                           {"segments_sent", 900},
                           {"retransmits", block % 2 == 0 && from == 2 ? lost : 0}});
    return tcp;
  };
  CHECK(judge_links(link_figures(link_lines(links)))->nothing);
  links["tcp"] = sent_again(4);
  const auto found = judge_links(link_figures(link_lines(links)));
  REQUIRE(found);
  CHECK(found->nodes == std::vector{2});
  CHECK(found->lost);
  CHECK(found->text == "TCP sent 12 segments again a block over its links (0 without the fault), over others not");

  SECTION("in one of the blocks only, it may be chance") {
    for (Json& entry : links["tcp"])
      if (entry["block"] == 4) entry["retransmits"] = 0;
    CHECK(judge_links(link_figures(link_lines(links)))->nothing);
  }
  SECTION("those of a single link accuse nobody: one tail loss probe (RFC 8985) of a late machine is that many") {
    links["tcp"] = sent_again(0);
    for (Json& entry : links["tcp"])
      if (entry["kind"] == "link_fault" && entry["from"] == 2 && entry["to"] == 3) entry["retransmits"] = 45;
    CHECK(judge_links(link_figures(link_lines(links)))->nothing);
  }
  SECTION("what is no number or no link is left out") {
    for (Json& entry : links["tcp"]) entry["retransmits"] = "many";
    links["tcp"].push_back({{"kind", "link_fault"}, {"from", 1}, {"to", 1}, {"retransmits", 900}});
    links["tcp"].push_back(7);
    CHECK(judge_links(link_figures(link_lines(links)))->nothing);
  }
}

TEST_CASE("a node whose links stand out in one of the fault blocks only is not named") {
  // Stalls that may hit any link: most of them hit node 3's in the first block with the faults, and node 0's in the
  // second.
  Json links = links_of([](int, int) { return 1.0; });
  int count = 0;
  for (Json& entry : links["links"]) entry["block"] = (entry["kind"] == "link_fault" ? 2 : 1) + 2 * (count++ % 2);
  const auto slow_down = [&](int block, int node, double bits_per_s) {
    for (Json& entry : links["links"])
      if (entry["block"] == block && (entry["a"] == node || entry["b"] == node)) entry["bits_per_s"] = bits_per_s;
  };
  slow_down(4, 0, 3e9);
  slow_down(4, 3, 1e10);
  slow_down(2, 3, 1e9);
  const auto once = judge_links(link_figures(link_lines(links)));
  CHECK_FALSE((once && once->named()));
  slow_down(4, 3, 1e9);
  CHECK(judge_links(link_figures(link_lines(links)))->nodes == std::vector{3});
}
