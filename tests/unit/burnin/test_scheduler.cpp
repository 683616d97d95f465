#include "tests/catch.hpp"
#include "tests/unit/burnin/fake_nodes.hpp"

namespace grit {
namespace {

using Hosts = std::vector<std::string>;
using State = BurninNodeState;

std::size_t cells_with(const FakeBurnin& burnin, const std::string& round, const std::string& host) {
  return static_cast<std::size_t>(std::ranges::count_if(burnin.started, [&](const BurninCell& cell) {
    return cell.round == round && std::ranges::find(cell.hosts, host) != cell.hosts.end();
  }));
}

}  // namespace

TEST_CASE("a healthy fleet is good, and each node is in each visit once", "[burnin]") {
  FakeBurnin burnin(fake_setup(8, {facts_round(), compute_round(), links_round(), group_round({2, 4, 0})}), {});
  burnin.run();
  CHECK(burnin.wrong.empty());
  CHECK(burnin.scheduler().done());
  CHECK(burnin.hosts_in(State::good).size() == 8);
  CHECK(burnin.report().complete);
  CHECK(exit_code(burnin.report()) == 0);
  for (const auto& [host, state] : burnin.states) {
    CHECK(cells_with(burnin, "facts", host) == 1);
    CHECK(cells_with(burnin, "solo", host) == 3);
    CHECK(cells_with(burnin, "links", host) == 3);
    CHECK(cells_with(burnin, "groups", host) == 6);  // three sizes, twice
  }
  CHECK(burnin.started.size() == 8 + 24 + 12 + 2 * (4 + 2 + 1));
}

TEST_CASE("one bad node of eight is found in each shape, and nobody else", "[burnin]") {
  SECTION("alone") {
    FakeBurnin burnin(fake_setup(8, {compute_round()}), {.compute = {{"n03", 80}}});
    burnin.run();
    CHECK(burnin.hosts_in(State::bad) == Hosts{"n03"});
    CHECK(burnin.hosts_in(State::good).size() == 7);
    CHECK(exit_code(burnin.report()) == 1);
    CHECK(burnin.report().nodes[3].reason == "compute is low");
  }
  SECTION("pairs: its partners are not blamed") {
    FakeBurnin burnin(fake_setup(8, {links_round()}), {.link = {{"n05", 50}}});
    burnin.run();
    CHECK(burnin.wrong.empty());
    CHECK(burnin.hosts_in(State::bad) == Hosts{"n05"});
    CHECK(burnin.report().links.empty());
  }
  SECTION("groups: nor is its company") {
    FakeBurnin burnin(fake_setup(8, {group_round({4})}), {.link = {{"n00", 50}}});
    burnin.run();
    CHECK(burnin.wrong.empty());
    CHECK(burnin.hosts_in(State::bad) == Hosts{"n00"});
    CHECK(burnin.hosts_in(State::good).size() == 7);
  }
}

TEST_CASE("the nodes of a slow group are set apart, though each by itself is good", "[burnin]") {
  BurninSetup setup = fake_setup(16, {compute_round()});
  FakeNodes nodes;
  for (std::size_t i = 0; i < setup.hosts.size(); ++i) {
    setup.hosts[i].group = fmt::format("leaf{}", i / 4);
    if (i / 4 == 2) nodes.compute[setup.hosts[i].name] = 95.5;
  }
  FakeBurnin burnin(setup, nodes);
  burnin.run();
  const BurninReport report = burnin.report();
  REQUIRE(report.groups.size() == 1);
  CHECK(report.groups[0].group == "leaf2");
  CHECK(report.groups[0].status == BurninStatus::shown);
  CHECK(exit_code(report) == 1);
  for (const BurninNodeReport& node : report.nodes) {
    CHECK(node.state == (node.group == "leaf2" ? State::apart : State::good));
    CHECK(node.reason.starts_with("its group leaf2: ") == (node.group == "leaf2"));
  }
}

TEST_CASE("who was measured but not again, as one of too many, is not clear, and who had no peers is not tested",
          "[burnin]") {
  for (const int visits : {0, 3}) {
    const BurninJudge judge = [&](const BurninEvidence&) {
      return std::vector<BurninFinding>{{.measure = "compute",
                                         .host = "n01",
                                         .status = BurninStatus::unclear,
                                         .visits = visits,
                                         .why = "one of many"}};
    };
    FakeBurnin burnin(fake_setup(5, {compute_round()}), {}, judge);
    burnin.run();
    CHECK(burnin.hosts_in(visits > 0 ? State::suspect : State::not_tested) == Hosts{"n01"});
    CHECK(burnin.report().nodes[1].reason.ends_with("one of many"));
  }
}

TEST_CASE("a bad node is in no later round", "[burnin]") {
  FakeBurnin burnin(fake_setup(6, {compute_round(), links_round(), group_round({0})}), {.compute = {{"n01", 50}}});
  burnin.run();
  CHECK(burnin.wrong.empty());
  CHECK(cells_with(burnin, "links", "n01") == 0);
  CHECK(cells_with(burnin, "groups", "n01") == 0);
  CHECK(cells_with(burnin, "links", "n02") >= 3);
}

TEST_CASE("a suspect is measured again between good nodes, in what it is suspected of", "[burnin]") {
  BurninRound solo = compute_round();
  solo.kinds = {"compute", "memory", "storage"};
  FakeBurnin burnin(fake_setup(8, {solo}, 1), {.compute = {{"n03", 80}}});
  burnin.run();
  std::map<int, Hosts> confirming;
  for (const BurninCell& cell : burnin.started) {
    if (!cell.confirms) continue;
    CHECK(cell.kinds == Hosts{"compute"});
    CHECK(cell.suspect == "n03");
    confirming[cell.visit].push_back(cell.hosts.front());
  }
  CHECK(confirming.size() == 2);
  for (const auto& [visit, hosts] : confirming) {
    REQUIRE(hosts.size() == 3);
    CHECK(hosts[1] == "n03");
    CHECK(hosts[0] != hosts[2]);
  }
}

TEST_CASE("a node that was shown to be bad is measured no longer, whatever else it is suspected of", "[burnin]") {
  BurninRound solo = compute_round();
  solo.kinds = {"compute", "memory"};
  const auto judge = [](const BurninEvidence& evidence) {  // of its memory nothing is ever told
    std::vector<BurninFinding> findings = judge_fakes(evidence);
    findings.push_back({.measure = "memory", .host = "n03", .status = BurninStatus::suspect, .why = "memory is low"});
    return findings;
  };
  FakeBurnin burnin(fake_setup(8, {solo}, 1), {.compute = {{"n03", 80}}}, judge);
  burnin.run();
  CHECK(burnin.hosts_in(State::bad) == Hosts{"n03"});
  const auto confirming = std::ranges::count_if(burnin.started, [](const BurninCell& cell) { return cell.confirms; });
  CHECK(confirming == 2 * 3);  // the visits of the first look, with a good node before and after
  const std::vector<BurninFinding> findings = burnin.report().nodes[3].findings;
  REQUIRE(findings.size() == 2);
  CHECK(findings[1].status == BurninStatus::unclear);
  CHECK(findings[1].why == "memory is low; not measured again, for n03 is out already");
}

TEST_CASE("two bad nodes that meet each other are both found", "[burnin]") {
  FakeBurnin burnin(fake_setup(4, {links_round()}), {.link = {{"n00", 50}, {"n01", 60}}});
  burnin.run();  // of four nodes every pair meets
  CHECK(burnin.wrong.empty());
  CHECK(burnin.hosts_in(State::bad) == Hosts{"n00", "n01"});
  CHECK(burnin.hosts_in(State::good) == Hosts{"n02", "n03"});
}

TEST_CASE("a bad link between two good nodes is a result of its own", "[burnin]") {
  FakeBurnin burnin(fake_setup(4, {links_round()}), {.between = {{{"n01", "n02"}, 40}, {{"n02", "n01"}, 40}}});
  burnin.run();
  CHECK(burnin.wrong.empty());
  CHECK(burnin.hosts_in(State::good).size() == 4);
  const BurninReport report = burnin.report();
  REQUIRE(report.links.size() == 1);
  CHECK(report.links[0].host == "n01");
  CHECK(report.links[0].peer == "n02");
  CHECK(report.links[0].status == BurninStatus::shown);
  CHECK(exit_code(report) == 1);
}

TEST_CASE("an odd number of nodes: who is left over meets one it has not met", "[burnin]") {
  for (const int nodes : {3, 5, 7, 9}) {
    FakeBurnin burnin(fake_setup(nodes, {links_round(2)}), {});
    burnin.run();
    CHECK(burnin.wrong.empty());
    std::map<std::string, std::set<std::string>> partners;
    for (const BurninCell& cell : burnin.started) {
      partners[cell.hosts[0]].insert(cell.hosts[1]);
      partners[cell.hosts[1]].insert(cell.hosts[0]);
    }
    for (const auto& [host, met] : partners) CHECK(met.size() >= 2);
    CHECK(partners.size() == static_cast<std::size_t>(nodes));
    CHECK(burnin.started.size() == static_cast<std::size_t>((nodes + 1) / 2 * 2));
  }
}

TEST_CASE("cells of different nodes have different ids, whatever the nodes are called", "[burnin]") {
  BurninSetup setup = fake_setup(0, {links_round()});
  for (const char* host : {"a", "b-c", "a-b", "c"}) setup.hosts.push_back({.name = host});
  FakeBurnin burnin(setup, {});
  burnin.run();
  CHECK(burnin.wrong.empty());
  CHECK(burnin.started.size() == 6);
  CHECK(burnin.hosts_in(State::good).size() == 4);
}

TEST_CASE("two nodes alone: a slow link is nobody's, and why is said", "[burnin]") {
  FakeBurnin burnin(fake_setup(2, {links_round()}), {.link = {{"n00", 50}}});
  burnin.run();
  CHECK(burnin.hosts_in(State::bad).empty());
  CHECK(burnin.hosts_in(State::suspect).size() == 2);
  CHECK(burnin.report().nodes[0].reason.find("no third node") != std::string::npos);
  CHECK(exit_code(burnin.report()) == 2);
}

TEST_CASE("where nobody is wholly clear, who is clear in what is suspected is company", "[burnin]") {
  FakeNodes nodes{.compute = {{"n00", 50}}};
  for (const char* host : {"n00", "n01", "n02", "n03"}) nodes.link[host] = 50;  // which blames nobody
  FakeBurnin burnin(fake_setup(4, {links_round(), compute_round()}), nodes);
  burnin.run();
  CHECK(burnin.wrong.empty());
  CHECK(burnin.hosts_in(State::bad) == Hosts{"n00"});
  CHECK(burnin.hosts_in(State::suspect) == Hosts{"n01", "n02", "n03"});
}

TEST_CASE("the number of cells at a time changes no state", "[burnin]") {
  const FakeNodes nodes{.compute = {{"n02", 70}}, .link = {{"n06", 50}}, .dies_after = {{"n04", 5}}};
  std::map<std::string, State> first;
  for (const int parallel : {1, 2, 7, 64}) {
    FakeBurnin burnin(fake_setup(9, {facts_round(), compute_round(), links_round(), group_round({4})}, parallel),
                      nodes);
    burnin.run();
    CHECK(burnin.wrong.empty());
    CHECK(burnin.most_running <= static_cast<std::size_t>(parallel));
    if (first.empty()) first = burnin.states;
    CHECK(burnin.states == first);
  }
  CHECK(first.at("n02") == State::bad);
  CHECK(first.at("n06") == State::bad);
  CHECK(first.at("n04") == State::not_tested);
}

TEST_CASE("nodes that share cores are measured one cell at a time where rates are", "[burnin]") {
  BurninSetup setup = fake_setup(8, {facts_round(), compute_round()}, 4);
  setup.shares_cores = true;
  FakeBurnin burnin(setup, {});
  CHECK(burnin.scheduler().progress().cells_running == 4);
  while (burnin.scheduler().progress().round == "facts") burnin.step();
  CHECK(burnin.scheduler().progress().cells_running == 1);
  CHECK(burnin.scheduler().progress().cells_planned == 24);
}

TEST_CASE("an alarm counts when it is raised again, and not when most nodes raise it", "[burnin]") {
  BurninSetup setup = fake_setup(4, {{.name = "facts", .kinds = {"facts", "checks"}}}, 1);
  struct Alarming {
    Hosts first, again;
    bool of_machine = false;
  };
  const auto run = [&](const Alarming& alarming) {
    BurninScheduler scheduler(setup, judge_fakes);
    std::vector<BurninCell> cells = scheduler.next();
    while (!cells.empty()) {
      BurninCellResult result{.cell = cells.front()};
      const std::string host = result.cell.hosts.front();
      const Hosts& alarms = result.cell.confirms ? alarming.again : alarming.first;
      result.facts[host] = {{"cpu_model", "one"}};
      result.alarm_free[host] = {"memory"};
      if (std::ranges::find(alarms, host) != alarms.end())
        result.alarms.push_back({host, "link_up", "eth0", "critical", "it is down", alarming.of_machine});
      scheduler.take(result);
      cells = scheduler.next();
    }
    return scheduler.report();
  };
  const BurninReport twice = run({{"n01"}, {"n01"}});
  CHECK(twice.nodes[1].state == State::bad);
  CHECK(twice.nodes[1].reason.find("eth0: it is down") != std::string::npos);
  CHECK(twice.nodes[0].state == State::good);
  const BurninReport once = run({{"n01"}, {}});
  CHECK(once.nodes[1].state == State::good);
  REQUIRE(once.nodes[1].findings.size() == 1);
  CHECK(once.nodes[1].findings[0].status == BurninStatus::cleared);
  const BurninReport most = run({{"n00", "n01", "n03"}, {"n00", "n01", "n03"}});
  CHECK(exit_code(most) == 0);
  REQUIRE(most.fleet.size() == 1);
  CHECK(most.fleet[0].why.find("3 of 4") != std::string::npos);
  const BurninReport machine = run({{"n02"}, {"n02"}, true});
  CHECK(exit_code(machine) == 0);
  CHECK(machine.fleet.size() == 1);
}

}  // namespace grit
