#include "analysis/report/tables/burnin_words.hpp"
#include "analysis/report/text/burnin_text.hpp"
#include "tests/catch.hpp"
#include "tests/text.hpp"
#include "tests/unit/report/sample_drift.hpp"

using namespace grit;

namespace {

using test::contains;

std::size_t count_lines(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

TEST_CASE("a burn-in's text says first how many nodes may go live, then why not the others") {
  const std::string text = burnin_text(test::sample_burnin(), "burnin/quick/1");
  CHECK(text.starts_with(
      "4 of 12 nodes may go live.\n  others     3 bad, 3 set apart, 1 not clear, 1 not tested; 1 bad link between good "
      "nodes, 1 link set apart, 1 bad group\n"));
  CHECK(contains(text, "  BAD        n03: matrix products 5.1 % slower than 11 peers"));
  CHECK(contains(text, "  SET APART  n09: memory bandwidth 14 % lower than 11 peers"));
  CHECK(contains(text, "  SET APART  n02 to n07: bandwidth of the link 18 % lower"));
  CHECK(contains(text, "  BAD GROUP  group leaf3: bandwidth of the link: the 4 nodes of leaf3 are 17 % worse"));
  CHECK(contains(text, "  SET APART  n12: its group leaf3: bandwidth of the link"));
  CHECK(text.find("  BAD  ") < text.find("  SET APART"));
  CHECK(text.find("  SET APART") < text.find("  NOT CLEAR"));
  CHECK(contains(text, "  what now   Faulty, or the slow end of an uneven fleet? What could tell: at_least, at_most"));
  CHECK(contains(text, "  NOT TESTED n08: did not answer any more in round links\n"));
  CHECK(contains(text, "  BAD LINK   n01 to n04: bandwidth of the link 35 % lower"));
  CHECK(contains(text, "  cleared    n02: memory bandwidth 9.1 % lower in the first visits"));
  CHECK(contains(text, "  odd        kernel 6.1.0-27-amd64, most have 6.1.0-28-amd64 (n07)\n"));
  CHECK(contains(text, "  skipped    storage: the disk is a tmpfs (all 12 nodes)\n"));
  CHECK(contains(text, "In at most 1 % of burn-ins is any healthy node called bad"));
  CHECK(contains(text, "  took       3 min, config quick, local cluster\n"));
  CHECK(contains(text, "  page       burnin/quick/1/burnin.html\n"));
}

TEST_CASE("a burn-in's text of a healthy fleet has nothing to complain of") {
  test::BurninMaker maker(8, 3);
  const std::string text = burnin_text(maker.report(), "out");
  CHECK(text.starts_with("8 of 8 nodes may go live.\n  skipped"));
  maker.report().complete = false;
  maker.report().nodes[0].state = BurninNodeState::testing;
  CHECK(
      burnin_text(maker.report(), "out").starts_with("So far 7 of 8 nodes may go live.\n  others     1 not tested\n"));
  CHECK(burnin_text({}, "out").starts_with("0 of 0 nodes may go live.\n") == false);
  BurninReport empty;
  empty.complete = true;
  CHECK(burnin_text(empty, "out").starts_with("0 of 0 nodes may go live.\n"));
}

TEST_CASE("a burn-in's text of thousands of nodes is short") {
  const std::string text = burnin_text(test::large_burnin(4096), "out");
  CHECK(count_lines(text) < 50);
  CHECK(contains(text, "and 21 more, see nodes.csv\n"));
}

TEST_CASE("a burn-in's text obeys nobody's control characters") {
  BurninReport report = test::sample_burnin();
  report.nodes[2].reason = "\x1b[31mred\r\nnext \xff";
  report.nodes[2].host =
      "n\x07"
      "03";
  const std::string text = burnin_text(report, "out");
  CHECK(contains(text, "  BAD        n 03:  [31mred  next ?\n"));
  for (const char c : text) CHECK((c == '\n' || static_cast<unsigned char>(c) >= 0x20));
}

TEST_CASE("a burn-in's claim says how uneven its healthy nodes may be") {
  const auto claim_of = [](int large, int small, const std::map<std::string, BurninLimits>& limits) {
    BurninReport report;
    report.config.limits = limits;
    for (int node = 0; node < large + small; ++node)
      report.nodes.push_back({.machine_class = node < large ? "large" : "small",
                              .figures = {{"compute", 1}, {"memory", 1}, {"link_loss", 0}}});
    return burnin_claim(report);
  };
  CHECK(
      contains(claim_of(0, 199, {}), "differ with tails as heavy as those of Student's t of 2 degrees of freedom. In"));
  CHECK(claim_of(200, 8, {}) == claim_of(0, 199, {}));  // a hole of heavier tails is told, but not this alone
  CHECK(contains(claim_of(0, 8, {{"compute", {.tolerance = 0.03, .spread = 0.005}}, {"memory", {.tolerance = 0.1}}}),
                 "freedom (of 8 degrees in compute, whose spread is stated). In"));
  const BurninLimits stated{.spread = 0.01};  // of training nothing was measured
  CHECK(contains(claim_of(200, 0, {{"compute", stated}, {"memory", stated}, {"training_own", stated}}),
                 "as those of Student's t of 8 degrees of freedom, since all their spreads are stated. In"));
}

TEST_CASE("of many bad nodes in a large fleet the claim says that a healthy one may be among them") {
  BurninReport report;
  report.nodes.resize(4096, {.state = BurninNodeState::good});
  CHECK_FALSE(contains(burnin_claim(report), "along with them"));
  for (std::size_t i = 0; i < 5; ++i) report.nodes[i].state = BurninNodeState::bad;
  CHECK(contains(burnin_claim(report), "can be called bad along with them more often"));
  report.nodes.resize(100);  // no gaps are looked for among so few
  CHECK_FALSE(contains(burnin_claim(report), "along with them"));
}

TEST_CASE("what to do about what was set apart is said where something was") {
  BurninReport report = test::sample_burnin();
  CHECK(contains(apart_advice(report), "spread of link_rate, memory, training_own in"));
  for (BurninNodeReport& node : report.nodes)
    if (node.state == BurninNodeState::apart) node.state = BurninNodeState::bad;  // by another measure
  CHECK(contains(apart_advice(report), "spread of link_rate in"));
  CHECK_FALSE(contains(apart_advice(report), "slow_hosts"));  // which has none then
  report.links.clear();
  CHECK(apart_advice(report).empty());
  CHECK_FALSE(contains(burnin_text(report, "out"), "what now"));
}

TEST_CASE("a burn-in's progress is one line that fits") {
  BurninProgress progress{.round = "links",
                          .cells_done = 7,
                          .cells_planned = 12,
                          .cells_running = 1,
                          .nodes = {{"good", 6}, {"suspect", 1}, {"bad", 1}, {"untested", 0}},
                          .elapsed_ns = 60'000'000'000,
                          .left_ns = 120'000'000'000};
  CHECK(burnin_progress_line(progress, 100) == "links 7 of 12 cells, 6 good 1 suspect 1 bad, 2 min left");
  CHECK(burnin_progress_line(progress, 40) == "links 7 of 12 cells, 2 min left");
  CHECK(burnin_progress_line(progress, 9) == "links 7 o");
  CHECK(burnin_progress_line(progress, 0).empty());
  progress.left_ns = -1;
  progress.nodes = {{"not_tested", 2}, {"apart", 3}};
  CHECK(burnin_progress_line(progress, 100) == "links 7 of 12 cells, 3 set apart 2 not tested");
  progress.round = "l\xc3\xa4ngs\n";
  CHECK(burnin_progress_line(progress, 3) == "l\xc3\xa4n");
}

TEST_CASE("figures of a burn-in have their units") {
  CHECK(burnin_figure("compute", 12.34e9) == "12.3 GFLOP/s");
  CHECK(burnin_figure("memory", 9.8e9) == "9.8 GB/s");
  CHECK(burnin_figure("link_rate", 9.41e9) == "9.41 Gbit/s");
  CHECK(burnin_figure("link_latency", 31e-6) == "31 µs");
  CHECK(burnin_figure("link_loss", 0.0051) == "0.51 %");
  CHECK(burnin_figure("wrong_results", 2) == "2");
  CHECK(burnin_figure("of tomorrow", 2.5) == "2.5");
  CHECK(burnin_figure("compute", std::nan("")) == "unknown");
  CHECK(accusation("check:link_up") == "check link_up");
  CHECK(accusation("fact:nic_speed") == "nic_speed unlike its peers");
  CHECK(worse_text(test::shown_finding("n1", "compute", 0.05, "")) == "5.0 % (4.5 .. 5.5 %)");
  CHECK(worse_text(test::shown_finding("n1", "link_loss", 0.05, "")).empty());
  CHECK(finding_text(test::shown_finding("n1", "compute", 0.05, "")) ==
        "matrix products: 5.0 % (4.5 .. 5.5 %) worse than its peers");
}

TEST_CASE("what many nodes have in common is said once") {
  CHECK(hosts_text({"a", "b"}, 2) == "all 2 nodes");
  CHECK(hosts_text({"a"}, 1) == "a");
  CHECK(hosts_text({"a", "b", "c", "d", "e"}, 9) == "a, b, c, d, e");
  CHECK(hosts_text({"a", "b", "c", "d", "e", "f"}, 9) == "a, b, c, d and 2 more");
}

TEST_CASE("a burn-in's text says what changed over its cycles") {
  BurninReport report = test::sample_soak();
  const std::string text = burnin_text(report, "out");
  CHECK(
      text.starts_with("12 of 12 nodes may go live.\n  drift      memory bandwidth: the fleet got 3.0 % worse since"));
  CHECK(
      contains(text, "  drift      n04: matrix products got 7.0 % worse since the first of 20 cycles, 6.9 % of that "));
  CHECK(contains(text, " Of drift: In at most 5 % of burn-ins is any node said to have got worse"));
  report.drift[1].shift = -0.03;
  CHECK(contains(burnin_text(report, "out"), "memory bandwidth: the fleet got 3.0 % better since"));
  report.drift = {test::sample_course("compute", 3, 0.2)};
  CHECK(contains(burnin_text(report, "out"),
                 "  drift      of 3 whole cycles it cannot be told what drifts: 4 are needed\n"));
  report.drift = {test::sample_course("compute", 30, 0.0)};
  CHECK_FALSE(contains(burnin_text(report, "out"), "drift"));
}

TEST_CASE("a burn-in's text says of a fleet that is slower than its reference that not all is well") {
  test::BurninMaker maker(4, 1);
  maker.report().fleet = {test::shown_finding("", "compute", 0.05, "all are 5 % worse than then"),
                          test::shown_finding("", "memory", 0.01, "all are 1 % worse than then")};
  for (BurninFinding& finding : maker.report().fleet) finding.of_reference = true;
  maker.report().fleet[1].status = BurninStatus::clear;
  const std::string text = burnin_text(maker.report(), "out");
  CHECK(text.starts_with("4 of 4 nodes may go live.\n  others     the fleet slower than its reference in 1 measure\n"));
  CHECK(contains(text, "  SLOWER     all are 5 % worse than then\n  fleet      all are 1 % worse than then\n"));
}
