#include <fmt/format.h>

#include <algorithm>
#include <regex>

#include "analysis/report/page/burnin_page.hpp"
#include "analysis/report/plots/burnin_plots.hpp"
#include "tests/catch.hpp"
#include "tests/text.hpp"
#include "tests/unit/report/sample_drift.hpp"

using namespace grit;

namespace {

using test::contains;

using test::count;

std::string page_of(const BurninReport& report) {
  const auto page = render_burnin_html(report);
  REQUIRE(page.has_value());
  return *page;
}

using test::markup_of;

const Json& data_of(const Plot& plot, std::string_view name) {
  for (const Json& one : plot.spec->at("data"))
    if (one.at("name") == name) return one.at("values");
  FAIL("no data " << name);
  throw std::out_of_range("data");
}

}  // namespace

TEST_CASE("the page of a burn-in says first how many nodes may go live, and why the others may not") {
  const std::string page = page_of(test::sample_burnin());
  const auto headline = page.find(
      "<h1>4 of 12 nodes may go live <span class=\"badge bad\">3 bad, 3 set apart, 1 not clear, 1 not tested; 1 bad "
      "link "
      "between good nodes, 1 link set apart, 1 bad group</span>");
  const auto keep_out = page.find("Keep out"), apart = page.find("Set apart: slower for sure"),
             unknown = page.find("Not known to be good"), all = page.find("All nodes");
  REQUIRE(headline != std::string::npos);
  CHECK(headline < keep_out);
  CHECK(keep_out < apart);
  CHECK(apart < unknown);
  CHECK(unknown < all);
  CHECK(contains(page, "In at most 1 % of burn-ins is any healthy node called bad"));
  CHECK(contains(page, "Good may be worse than its peers by up to: matrix products 3 %"));
  CHECK(contains(page, "Not measured: storage: the disk is a tmpfs (all 12 nodes)"));
  CHECK(contains(page, "<td>matrix products 5.1 % slower than 11 peers"));
  CHECK(contains(page, "Bad links: no job should cross them"));
  CHECK(contains(page, "Bad groups"));
  CHECK(contains(page, "Kernel panic - not syncing"));
  CHECK(contains(page, "links/2/n03+n08: timed out after 45 s"));
  CHECK(contains(page, "<td class=\"good\">cleared</td>"));
}

TEST_CASE("what was set apart has its figures in a table of its own, with what would tell more") {
  BurninReport report = test::sample_burnin();
  const std::string page = markup_of(page_of(report));
  const auto from = page.find("<div class=\"set-apart\">"), to = page.find("<div class=\"not-clear\">");
  REQUIRE((from != std::string::npos && to != std::string::npos));
  const std::string section = page.substr(from, to - from);
  CHECK(contains(section, "at_least, at_most or spread of link_rate, memory, training_own in the config"));
  CHECK(contains(section, "cat good_hosts slow_hosts"));
  CHECK(contains(section,
                 "<tr><th scope=\"row\">n09</th><td>memory bandwidth</td><td class=\"number\">14 % (13 .. 15 "
                 "%)</td><td class=\"number\">11 peers</td>"));
  CHECK(count(section, "<th scope=\"row\">n10</th>") == 2);
  CHECK(contains(section, "<th scope=\"row\">n02 to n07</th>"));
  CHECK(contains(section, "<th scope=\"row\">n12</th><td>its group</td>"));
  CHECK_FALSE(contains(section, "group leaf3</th>"));
  CHECK_FALSE(contains(section, "n11"));
  CHECK(contains(page, "<td class=\"apart\">set apart</td>"));  // of each node, and of each accusation
  report.links.clear();
  for (BurninNodeReport& node : report.nodes)
    if (node.state == BurninNodeState::apart) node.findings.clear(), node.reason = "its group leaf3: all are slow";
  const std::string of_group = markup_of(page_of(report));
  CHECK(contains(of_group, "<th scope=\"row\">n09</th><td>its group</td>"));
  CHECK(contains(of_group, "its group leaf3: all are slow"));
  CHECK(contains(of_group, "Set apart for their group alone"));
  for (BurninNodeReport& node : report.nodes)
    if (node.state == BurninNodeState::apart) node.state = BurninNodeState::bad;
  CHECK_FALSE(contains(markup_of(page_of(report)), "class=\"set-apart\""));
}

TEST_CASE("a node's box in the grid of a burn-in has a sign beside its colour") {
  const std::string page = markup_of(page_of(test::sample_burnin()));
  CHECK(contains(page, "<li class=\"good\" title=\"n01: good\"><b>✓</b>n01</li>"));
  CHECK(contains(page, "<li class=\"bad\" title=\"n03: bad, matrix products 5.1 %"));
  CHECK(contains(page, "<b>✗</b>n03</li>"));
  CHECK(contains(page, "<b>–</b>n08</li>"));
  CHECK(contains(page, "<li class=\"apart\" title=\"n09: set apart, memory bandwidth 14 %"));
  CHECK(contains(page, "<b>≠</b>n09</li>"));
  CHECK(contains(page, "<span class=\"key\">≠ set apart</span>"));
  CHECK(count(page, "class=\"group-name\"") == 3);
}

TEST_CASE("a burn-in's plots name whom somebody suspected, and those with suspects come first") {
  const BurninReport report = test::sample_burnin();
  const std::vector<Plot> plots = burnin_figure_plots(report);
  REQUIRE(plots.size() == 6);  // wrong results are no distribution
  for (const Plot& plot : plots) CHECK_FALSE(data_of(plot, "names").empty());
  const Plot& compute = plots[0];
  CHECK(compute.title == "matrix products");
  const Json& names = data_of(compute, "names");
  REQUIRE(names.size() == 1);
  CHECK(names[0].at("status") == "shown");
  CHECK(names[0].at("name").get<std::string>() == "n03 +5.1 %");
  int others = 0;
  for (const Json& bar : data_of(compute, "bars")) others += bar.at("count").get<int>();
  CHECK(others == 11);
  const Json& memory = data_of(plots[1], "names");
  REQUIRE(memory.size() == 3);
  CHECK(memory[0].at("status") == "apart");  // before the one that was cleared
  CHECK(memory[0].at("name").get<std::string>() == "n09 +14 %");
  CHECK(contains(memory[0].at("tip").get<std::string>(), "(set apart)"));
  CHECK(memory[2].at("status") == "cleared");
  for (const char* scale : {"color", "shape"})
    for (const Json& one : plots[1].spec->at("scales"))
      if (one.at("name") == scale) CHECK(one.at("domain")[1] == "apart");
  test::BurninMaker healthy(4, 1);
  for (const Plot& plot : burnin_figure_plots(healthy.report())) CHECK(data_of(plot, "names").empty());
}

TEST_CASE("a burn-in's links are a matrix with a cell for each direction that was measured") {
  const BurninReport report = test::sample_burnin();
  const std::vector<BurninLinkFigure> rates = link_figures(report, "link_rate");
  CHECK(rates.size() == 12 * 7);
  const auto bad = std::find_if(rates.begin(), rates.end(),
                                [](const BurninLinkFigure& one) { return one.host == "n01" && one.peer == "n04"; });
  REQUIRE(bad != rates.end());
  CHECK(bad->worse > 0.33);
  CHECK(bad->worse < 0.37);
  const std::vector<BurninLinkFigure> losses = link_figures(report, "link_loss");
  const auto lossy =
      std::max_element(losses.begin(), losses.end(), [](const auto& a, const auto& b) { return a.worse < b.worse; });
  REQUIRE(lossy != losses.end());
  CHECK(lossy->host == "n06");
  CHECK(lossy->value == 408.0 / 80'000);
  const std::vector<Plot> plots = burnin_pair_plots(report);
  REQUIRE(plots.size() == 3);
  std::map<std::string, int> frames;
  for (const Plot& plot : plots)
    for (const Json& cell : data_of(plot, "cells")) ++frames[cell.at("frame").get<std::string>()];
  CHECK(frames == std::map<std::string, int>{{"shown", 1}, {"apart", 1}, {"clear", 3 * 12 * 7 - 2}});
  CHECK(link_figures(report, "compute").empty());
}

TEST_CASE("the page of a burn-in loads nothing, and its texts are escaped") {
  const std::string evil = "</script><script>alert('x')</script>&\"\xff{{data}}";
  BurninReport report = test::sample_burnin();
  report.launcher = evil;
  report.config.name = evil, report.config.summary = evil;
  for (BurninNodeReport& node : report.nodes) {
    node.host += evil, node.reason += evil, node.group = evil, node.machine_class = evil;
    node.skipped = {evil}, node.remarks = {evil};
    for (BurninFinding& finding : node.findings) finding.why = evil, finding.host = evil;
  }
  report.links[0].why = evil, report.links[0].host = evil;
  report.fleet = {test::shown_finding("", "compute", 0.1, evil)};
  report.groups = {report.fleet[0]};
  report.groups[0].group = evil;
  for (BurninObservation& one : report.observations) one.host += evil, one.peer += evil;
  for (BurninCellResult& lost : report.lost) {
    lost.cell.id = evil, lost.words = evil, lost.cell.hosts = {evil}, lost.command = {evil};
    lost.kernel_lines = {{evil, {evil}}}, lost.errors = {{evil, evil}};
  }
  const std::string page = page_of(report);
  CHECK_FALSE(contains(page, "<script>alert"));
  CHECK_FALSE(contains(markup_of(page), "alert('x')"));
  CHECK(contains(page, "&lt;/script&gt;&lt;script&gt;alert(&#39;x&#39;)"));
  const std::string markup = markup_of(page_of(test::sample_burnin()));
  CHECK_FALSE(std::regex_search(markup, std::regex(R"((src|href|srcset|action|data|poster)\s*=)")));
  CHECK_FALSE(std::regex_search(markup, std::regex(R"(url\(|@import|<(link|iframe|object|embed|img|base)\b)")));
  CHECK_FALSE(std::regex_search(markup, std::regex(R"(\son[a-z]+\s*=)")));
}

TEST_CASE("the page of a burn-in of thousands of nodes stays small") {
  const BurninReport report = test::large_burnin(4096);
  const std::string page = page_of(report);
  CHECK(page.size() < 5'000'000);
  CHECK(count(markup_of(page), "<li class=\"bad\"") == 41);
  CHECK(contains(page, "<div class=\"dense\">"));
  CHECK(contains(page, "<summary>11 more</summary>"));
  CHECK(contains(page, "The first 400 of 4096 are listed"));
  CHECK(burnin_pair_plots(report).empty());
  CHECK(contains(page, fmt::format("The worst 64 of {} links", 4096 * 5)));
  CHECK(contains(page, "33 more suspects are not named here."));
}

TEST_CASE("a burn-in without anything is a page, too, and so is one that has not come to its end") {
  CHECK(
      contains(page_of({}), "<h1>So far 0 of 0 nodes may go live <span class=\"badge unknown\">not at its end</span>"));
  BurninReport cut = test::sample_burnin();
  cut.complete = false;
  CHECK(
      contains(page_of(cut), "<h1>So far 4 of 12 nodes may go live <span class=\"badge bad\">not at its end: 3 bad, "));
  test::BurninMaker maker(3, 1);
  CHECK(contains(page_of(maker.report()), "<span class=\"badge good\">all good</span>"));
  CHECK(contains(page_of(maker.report()), "Nothing speaks against any node."));
  for (BurninNodeReport& node : maker.report().nodes)
    node.figures["compute"] = 0, node.figures["memory"] = std::nan("");
  CHECK(contains(page_of(maker.report()), "3 of 3 nodes may go live"));
}

TEST_CASE("the page of a burn-in of several cycles shows what changed over them, and judges nobody by it") {
  const BurninReport report = test::sample_soak();
  const std::string page = markup_of(page_of(report));
  CHECK(contains(page, "<span class=\"badge good\">all good</span>"));
  const auto from = page.find("<h2>Over the cycles</h2>");
  REQUIRE(from != std::string::npos);
  CHECK(from > page.find("How the nodes differ"));
  const std::string section = page.substr(from);
  CHECK(contains(section, "<li>memory bandwidth: the fleet got 3.0 % worse since the first of 20 cycles"));
  CHECK(
      contains(section, "<li>n04: matrix products got 7.0 % worse since the first of 20 cycles, 6.9 % of that beyond"));
  CHECK(contains(section, "Nobody is judged by this. In at most 5 % of burn-ins"));
  const std::vector<Plot> plots = burnin_drift_plots(report);
  REQUIRE(plots.size() == 2);
  CHECK(plots[0].title == "matrix products");  // which has names
  CHECK(data_of(plots[0], "fleet").size() == 20);
  CHECK(data_of(plots[0], "paths").size() == 40);
  REQUIRE(data_of(plots[0], "ends").size() == 2);
  CHECK(data_of(plots[0], "ends")[0].at("name").get<std::string>() == "n04 +7.0 %");
  CHECK(data_of(plots[1], "ends").empty());
  CHECK(plots[1].caption == "12 nodes, 20 whole cycles; dashed: 8 % worse than the middle, from which on it matters.");
}

TEST_CASE("of a burn-in of one cycle nothing is shown over cycles, and of few that it cannot be told") {
  BurninReport report = test::sample_soak();
  report.drift.clear();
  CHECK_FALSE(contains(page_of(report), "Over the cycles"));
  CHECK(burnin_drift_plots(report).empty());
  report.drift = {test::sample_course("compute", 2, 0.2)};
  const std::string page = markup_of(page_of(report));
  CHECK(contains(page, "of 2 whole cycles it cannot be told what drifts: 4 are needed"));
  CHECK_FALSE(contains(page, "Nobody is judged by this"));
}

TEST_CASE("cycles that are not drawn, nodes that are not named and measures without a plot are counted") {
  BurninReport report = test::sample_soak();
  BurninDrift& compute = report.drift[0];
  compute.cycles = 500;
  compute.slower.resize(10, compute.slower[0]);
  compute.more_slower = 7;
  CHECK(burnin_drift_plots(report)[0].caption.starts_with("12 nodes, 500 whole cycles, 20 of them drawn"));
  CHECK(burnin_drift_plots(report)[0].note == "9 more nodes got worse.");
  for (int i = 0; i < 40; ++i) report.drift.push_back(test::sample_course("stress_own", 20, 0));
  CHECK(burnin_drift_plots(report).size() == kMostDriftPlots);
  CHECK(burnin_drift_plots(report).back().note == "12 more measures are in burnin.json.");
  report.drift[5].round = "stress_cpu";
  CHECK(burnin_drift_plots(report)[5].title == "own work of a step under load in stress_cpu");
}

TEST_CASE("the page of a fleet that is slower than its reference says so where one looks first") {
  test::BurninMaker maker(4, 1);
  maker.report().fleet = {test::shown_finding("", "compute", 0.05, "matrix products: all are 5 % worse than then")};
  maker.report().fleet[0].of_reference = true;
  const std::string page = markup_of(page_of(maker.report()));
  CHECK(contains(page,
                 "4 of 4 nodes may go live <span class=\"badge unknown\">the fleet slower than its reference in 1 "
                 "measure</span>"));
  CHECK(contains(page, "<h2>The whole fleet is slower than its reference</h2>"));
  CHECK(count(page, "all are 5 % worse than then") == 1);
  CHECK_FALSE(contains(page, "Nothing speaks against any node."));
}
