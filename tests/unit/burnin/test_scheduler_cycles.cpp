#include "tests/catch.hpp"
#include "tests/unit/burnin/fake_nodes.hpp"

namespace grit {
namespace {

using Hosts = std::vector<std::string>;
using State = BurninNodeState;

BurninRound read_round() { return {.name = "facts", .kinds = {"facts", "checks"}, .alone = false}; }

/// Until a cell of this round is offered in the second cycle.
void run_into_second_cycle(FakeBurnin& burnin, const BurninRound& round) {
  const auto is_there = [&](const BurninCell& cell) {
    return cell.round == round.name && !cell.confirms && cell.visit >= round.visits;
  };
  while (std::ranges::none_of(burnin.started, is_there)) REQUIRE(burnin.step());
}

Hosts nodes_in(const BurninReport& report, State state) {
  Hosts hosts;
  for (const BurninNodeReport& node : report.nodes)
    if (node.state == state) hosts.push_back(node.host);
  return hosts;
}

}  // namespace

TEST_CASE("when the time is over in a later cycle, nodes are what the last whole cycle left them", "[burnin]") {
  const std::vector<BurninRound> rounds{read_round(), compute_round(), links_round()};
  for (const BurninRound& round : rounds) {
    BurninSetup setup = fake_setup(6, rounds, 2);
    setup.config.cycles = 500;
    FakeBurnin burnin(setup, {.compute = {{"n00", 50}}});
    run_into_second_cycle(burnin, round);
    burnin.scheduler().give_up("no time left");
    while (burnin.step()) {
    }
    CAPTURE(round.name);
    CHECK(burnin.wrong.empty());
    CHECK(burnin.scheduler().done());
    const BurninReport report = burnin.report();
    CHECK(report.complete);
    CHECK(nodes_in(report, State::bad) == Hosts{"n00"});
    CHECK(nodes_in(report, State::good) == Hosts{"n01", "n02", "n03", "n04", "n05"});
    CHECK(exit_code(report) == 1);
  }
}

TEST_CASE("what an unfinished cycle has shown counts, and who died in it is not tested", "[burnin]") {
  BurninSetup setup = fake_setup(6, {read_round(), compute_round(1), links_round(1)}, 1);
  setup.config.cycles = 500;
  // A whole cycle is three cells of each.
  FakeBurnin burnin(setup, {.dies_after = {{"n02", 4}}, .alarms_after = {{"n05", 3}}});
  run_into_second_cycle(burnin, links_round(1));
  CHECK(burnin.hosts_in(State::good).empty());
  burnin.scheduler().give_up("no time left");
  const BurninReport report = burnin.report();
  CHECK(nodes_in(report, State::bad) == Hosts{"n05"});
  CHECK(nodes_in(report, State::not_tested) == Hosts{"n02"});
  CHECK(nodes_in(report, State::good).size() == 4);
}

TEST_CASE("a bad node stays bad in later cycles, in the same words", "[burnin]") {
  const auto run = [](int cycles) {
    BurninSetup setup = fake_setup(8, {read_round(), compute_round(2), links_round()});
    setup.config.cycles = cycles;
    setup.config.must_match = {"bios"};
    FakeBurnin burnin(setup, {.compute = {{"n03", 50}}, .alarms_after = {{"n01", 0}}, .other_bios = {"n02"}});
    burnin.run();
    CHECK(burnin.wrong.empty());
    CHECK(burnin.hosts_in(State::bad) == Hosts{"n01", "n02", "n03"});
    CHECK(burnin.hosts_in(State::good).size() == 5);
    for (const BurninChange& change : burnin.changes) CHECK(change.from != State::bad);
    return burnin.report();
  };
  const BurninReport once = run(1), twice = run(2);
  for (std::size_t i = 0; i < once.nodes.size(); ++i) CHECK(twice.nodes[i].reason == once.nodes[i].reason);
  CHECK(twice.nodes[1].reason.find("it is down") != std::string::npos);
  CHECK(twice.nodes[2].reason.find("bios") != std::string::npos);
}

TEST_CASE("what is judged are the last three cycles, and confirmations of the last", "[burnin]") {
  int judged = 0;
  std::set<int> cycles_confirmed;
  const BurninJudge judge = [&](const BurninEvidence& evidence) {
    std::set<int> cycles;
    int last = 0;
    for (const BurninObservation& one : *evidence.observations)
      if (!one.confirms) cycles.insert(one.visit / 2), last = std::max(last, one.visit / 2);
    CHECK(static_cast<int>(cycles.size()) == std::min(last + 1, 3));
    const bool has_looked = evidence.looks.contains("compute n01");
    const bool has_fresh = std::ranges::any_of(*evidence.observations, [](const auto& one) { return one.confirms; });
    CHECK(has_fresh == has_looked);
    ++judged;
    BurninFinding finding{.measure = "compute", .host = "n01", .status = BurninStatus::suspect};
    if (has_looked) finding.status = BurninStatus::cleared, cycles_confirmed.insert(last);
    return std::vector<BurninFinding>{finding};
  };
  BurninSetup setup = fake_setup(5, {compute_round(2)});
  setup.config.cycles = 5;
  FakeBurnin burnin(setup, {}, judge);
  burnin.run();
  CHECK(judged == 10);
  CHECK(cycles_confirmed == std::set<int>{0, 1, 2, 3, 4});
  CHECK(burnin.report().observations.size() > 5 * 2 * 5);  // all of them are told
  CHECK(burnin.hosts_in(State::good).size() == 5);
}

TEST_CASE("who was set apart in one cycle is so at the end, unless it is bad", "[burnin]") {
  for (const BurninStatus later :
       {BurninStatus::clear, BurninStatus::cleared, BurninStatus::unclear, BurninStatus::apart, BurninStatus::shown}) {
    int judged = 0;
    const BurninJudge judge = [&](const BurninEvidence&) {
      const bool is_first = judged++ == 0;
      return std::vector<BurninFinding>{{.measure = "compute",
                                         .host = "n01",
                                         .status = is_first ? BurninStatus::apart : later,
                                         .why = is_first ? "slow on the first day" : "another day"}};
    };
    BurninSetup setup = fake_setup(5, {compute_round(2)});
    setup.config.cycles = 4;
    FakeBurnin burnin(setup, {}, judge);
    burnin.run();
    CAPTURE(to_string(later));
    const bool is_bad = later == BurninStatus::shown;
    CHECK(burnin.hosts_in(is_bad ? State::bad : State::apart) == Hosts{"n01"});
    CHECK(burnin.hosts_in(State::good).size() == 4);
    const std::string reason = burnin.report().nodes[1].reason;
    CHECK(reason == (is_bad || later == BurninStatus::apart ? "another day" : "slow on the first day"));
  }
}

TEST_CASE("what is shown over the cycles is of whole ones", "[burnin]") {
  for (const int cycles : {1, 5}) {
    BurninSetup setup = fake_setup(5, {facts_round(), compute_round(2)});
    setup.config.cycles = cycles;
    FakeBurnin burnin(setup, {});
    burnin.run();
    const BurninReport report = burnin.report();
    CHECK(report.drift.size() == (cycles == 1 ? 0 : 1));
    for (const BurninDrift& drift : report.drift) {
      CHECK(drift.cycles == 5);
      REQUIRE(drift.points.size() == 5);
      for (const BurninDrift::Point& point : drift.points) CHECK((point.nodes == 5 && point.middle == 0));
    }
  }
  BurninSetup setup = fake_setup(6, {facts_round(), compute_round(1), links_round(1)}, 1);
  setup.config.cycles = 500;
  FakeBurnin burnin(setup, {});
  while (std::ranges::none_of(burnin.started, [](const BurninCell& cell) { return cell.visit == 3; }))
    REQUIRE(burnin.step());
  burnin.scheduler().give_up("no time left");
  const BurninReport report = burnin.report();
  REQUIRE(report.drift.size() == 2);
  for (const BurninDrift& drift : report.drift) CHECK(drift.cycles == 3);
}

TEST_CASE("a bad link stays bad in later cycles", "[burnin]") {
  BurninSetup setup = fake_setup(4, {links_round()});
  setup.config.cycles = 2;
  FakeBurnin burnin(setup, {.between = {{{"n01", "n02"}, 40}, {{"n02", "n01"}, 40}}});
  burnin.run();
  CHECK(burnin.hosts_in(State::good).size() == 4);
  const BurninReport report = burnin.report();
  REQUIRE(report.links.size() == 1);
  CHECK(report.links[0].status == BurninStatus::shown);
}

TEST_CASE("a later look that is less sure takes back nothing that was shown", "[burnin]") {
  // Shown at the first look; with one more suspect the second look would leave it unclear.
  const BurninJudge judge = [](const BurninEvidence& evidence) {
    BurninFinding sure{.measure = "compute", .host = "n01", .why = "it is slow"};
    BurninFinding other{.measure = "compute", .host = "n02", .why = "it is perhaps slow"};
    const auto looks = [&](const BurninFinding& finding) {
      const auto found = evidence.looks.find(finding_key(finding));
      return found == evidence.looks.end() ? 0 : found->second;
    };
    const int done = looks(other);
    sure.status = done == 0 ? BurninStatus::suspect : done == 1 ? BurninStatus::shown : BurninStatus::unclear;
    other.status = done < 2 ? BurninStatus::suspect : BurninStatus::cleared;
    return std::vector<BurninFinding>{sure, other};
  };
  FakeBurnin burnin(fake_setup(5, {compute_round()}), {}, judge);
  burnin.run();
  CHECK(burnin.hosts_in(State::bad) == Hosts{"n01"});
  CHECK(burnin.hosts_in(State::good).size() == 4);
  CHECK(burnin.report().nodes[1].reason == "it is slow");
}

}  // namespace grit
