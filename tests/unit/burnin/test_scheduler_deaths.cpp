#include "tests/catch.hpp"
#include "tests/unit/burnin/fake_nodes.hpp"

namespace grit {
namespace {

using Hosts = std::vector<std::string>;
using State = BurninNodeState;

}  // namespace

TEST_CASE("a node that dies at any moment is not tested, and all others are good", "[burnin]") {
  for (int cells = 0; cells < 11; ++cells) {
    FakeBurnin burnin(fake_setup(7, all_rounds({2, 4})), {.dies_after = {{"n03", cells}}});
    burnin.run();
    CAPTURE(cells);
    CHECK(burnin.wrong.empty());
    CHECK(burnin.scheduler().done());
    CHECK(burnin.hosts_in(State::not_tested) == Hosts{"n03"});
    CHECK(burnin.hosts_in(State::good).size() == 6);
    const BurninReport report = burnin.report();
    const std::string words = cells == 0 ? "was never reached" : "did not answer any more";
    CHECK(report.nodes[3].reason.starts_with(words));
    CHECK(report.nodes[3].findings.front().measure == "died");
    CHECK(exit_code(report) == 2);
    CHECK_FALSE(report.lost.empty());
    CHECK(report.lost.size() <= 3);  // among others once, and twice alone
  }
}

TEST_CASE("a node that fails once is tried again and is good", "[burnin]") {
  FakeNodes nodes;
  BurninScheduler scheduler(fake_setup(3, {compute_round(1)}, 1), judge_fakes);
  std::vector<BurninCell> cells = scheduler.next();
  int failed = 0;
  Hosts ids;
  while (!cells.empty()) {
    BurninCellResult result = nodes.run(cells.front());
    ids.push_back(result.cell.id);
    if (result.cell.hosts.front() == "n01" && failed++ == 0)
      result = {.cell = cells.front(), .end = BurninCellEnd::not_started, .words = "no route to host\n"};
    scheduler.take(result);
    cells = scheduler.next();
  }
  CHECK(exit_code(scheduler.report()) == 0);
  CHECK(ids.size() == 4);
  CHECK(std::set<std::string>(ids.begin(), ids.end()).size() == 4);
}

TEST_CASE("a node that answers but takes every cell with others along is not tested, its company is", "[burnin]") {
  FakeBurnin burnin(fake_setup(8, all_rounds({2, 4})), {.without_network = {"n02"}});
  burnin.run();
  CHECK(burnin.wrong.empty());
  CHECK(burnin.hosts_in(State::not_tested) == Hosts{"n02"});
  CHECK(burnin.hosts_in(State::good).size() == 7);
  CHECK(burnin.report().nodes[2].reason.find("links: it came through in no cell with others") == 0);
  CHECK(burnin.report().lost.size() <= 4);  // two visits, and once more with nodes that came through
}

TEST_CASE("all nodes dead ends at once", "[burnin]") {
  FakeNodes nodes;
  for (int i = 0; i < 5; ++i) nodes.dies_after[fmt::format("n{:02}", i)] = 0;
  FakeBurnin burnin(fake_setup(5, all_rounds({2, 4})), nodes);
  burnin.run();
  CHECK(burnin.hosts_in(State::not_tested).size() == 5);
  CHECK(burnin.started.size() == 10);
  CHECK(exit_code(burnin.report()) == 2);
}

TEST_CASE("an error that a node says of itself is its reason", "[burnin]") {
  const auto run = [](const BurninRound& round, bool of_run) {
    FakeNodes nodes;
    BurninScheduler scheduler(fake_setup(4, {round}, 1), judge_fakes);
    std::vector<BurninCell> cells = scheduler.next();
    int failed = 0;
    while (!cells.empty()) {
      BurninCellResult result = nodes.run(cells.front());
      const Hosts& hosts = cells.front().hosts;
      if (of_run)
        for (const std::string& host : hosts) result.skipped[host] = {"something"};
      if (std::ranges::find(hosts, "n01") != hosts.end()) result.errors["n01"] = "the disk is full", ++failed;
      scheduler.take(result);
      cells = scheduler.next();
    }
    const BurninReport report = scheduler.report();
    CHECK(report.nodes[1].state == State::not_tested);
    CHECK(report.nodes[1].reason.find("the disk is full") != std::string::npos);
    CHECK(report.nodes[1].findings.empty());
    CHECK(exit_code(report) == 2);
    return failed;
  };
  CHECK(run(compute_round(3), false) == 2);  // once more, then no more
  CHECK(run({.name = "stress", .scenario = "x", .shape = BurninShape::group, .sizes = {0}, .visits = 3}, true) == 1);
}

TEST_CASE("when the time is over, what has come to no end is not tested", "[burnin]") {
  FakeBurnin burnin(fake_setup(6, all_rounds({2, 4}), 2), {.compute = {{"n00", 50}}});
  while (burnin.scheduler().progress().round != "links") REQUIRE(burnin.step());
  const auto running = burnin.scheduler().progress().cells_running;
  CHECK(running > 0);
  burnin.scheduler().give_up("no time left");
  CHECK_FALSE(burnin.scheduler().done());
  const auto started = burnin.started.size();
  while (burnin.step()) {
  }
  CHECK(burnin.started.size() == started);
  CHECK(burnin.scheduler().done());
  const BurninReport report = burnin.report();
  CHECK_FALSE(report.complete);
  CHECK(report.nodes[0].state == State::bad);
  for (std::size_t i = 1; i < 6; ++i) CHECK(report.nodes[i].reason == "no time left");
  CHECK(exit_code(report) == 1);
}

TEST_CASE("a node that computes wrongly in each cell is bad, whatever else ends its cells", "[burnin]") {
  FakeBurnin burnin(fake_setup(5, {facts_round(), compute_round()}), {.computes_wrongly = {"n03"}}, judge_burnin);
  burnin.run();
  CHECK(burnin.wrong.empty());
  CHECK(burnin.hosts_in(State::bad) == Hosts{"n03"});
  CHECK(burnin.hosts_in(State::good).size() == 4);
  CHECK(burnin.report().nodes[3].reason.find("results that are not as computed") != std::string::npos);
}

TEST_CASE("a round that nobody can do is skipped, and all nodes go on", "[burnin]") {
  const std::vector<BurninRound> rounds{
      {.name = "disks", .kinds = {"storage"}, .visits = 3},
      {.name = "training", .kinds = {"training"}, .shape = BurninShape::group, .sizes = {2}, .visits = 2}};
  for (const BurninRound& round : rounds) {
    BurninSetup setup = fake_setup(6, {facts_round(), round, compute_round()});
    setup.config.cycles = 2;
    FakeBurnin burnin(setup, {.compute = {{"n04", 50}}, .cannot_do = round.kinds.front()});
    burnin.run();
    CAPTURE(round.name);
    CHECK(burnin.wrong.empty());
    CHECK(burnin.hosts_in(State::bad) == Hosts{"n04"});
    CHECK(burnin.hosts_in(State::good).size() == 5);
    const BurninReport report = burnin.report();
    REQUIRE(report.fleet.size() == 1);
    CHECK(report.fleet[0].why == fmt::format("round {} skipped: n00 has no {}", round.name, round.kinds.front()));
  }
}

TEST_CASE("who can do nothing at all is not good", "[burnin]") {
  for (const int nodes : {1, 4}) {
    FakeBurnin burnin(fake_setup(nodes, {{.name = "disks", .kinds = {"storage"}, .visits = 3}}),
                      {.cannot_do = "storage"});
    burnin.run();
    CAPTURE(nodes);
    CHECK(burnin.hosts_in(State::not_tested).size() == static_cast<std::size_t>(nodes));
    CHECK(burnin.report().fleet.size() == (nodes == 1 ? 0 : 1));
    CHECK(exit_code(burnin.report()) == 2);
  }
}

TEST_CASE("a fault that no node can have skips its round, and one that is kept does not", "[burnin]") {
  for (const bool is_kept : {false, true}) {
    FakeNodes nodes;
    const BurninRound stress{.name = "stress", .scenario = "x", .shape = BurninShape::group, .sizes = {2}};
    BurninScheduler scheduler(fake_setup(4, {facts_round(), stress}, 1), judge_fakes);
    std::vector<BurninCell> cells = scheduler.next();
    while (!cells.empty()) {
      BurninCellResult result = nodes.run(cells.front());
      if (result.cell.round == "stress" && result.cell.kinds.empty())
        for (const std::string& host : result.cell.hosts)
          result.errors[host] = is_kept ? "NOT REVERTED: cpu_load" : "cpu_load was not applied: no permission";
      scheduler.take(result);
      cells = scheduler.next();
    }
    const BurninReport report = scheduler.report();
    CAPTURE(is_kept);
    for (const BurninNodeReport& node : report.nodes) CHECK(node.state == (is_kept ? State::not_tested : State::good));
    CHECK(report.fleet.size() == (is_kept ? 0 : 1));
  }
}

}  // namespace grit
