#include "harness/burnin/log.hpp"
#include "harness/burnin/replay.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"
#include "tests/unit/burnin/fake_nodes.hpp"

namespace grit {
namespace {

using Hosts = std::vector<std::string>;
using State = BurninNodeState;

BurninRound run_round(std::string name = "flap") {
  return {.name = std::move(name), .scenario = "recovery_after_flap", .shape = BurninShape::pair, .visits = 2};
}

}  // namespace

TEST_CASE("a node whose link flaps once is bad, whenever that is, and no other is", "[burnin]") {
  for (const int moment : {9, 15, 22, 30, 36}) {
    FakeBurnin burnin(fake_setup(7, all_rounds()), {.carrier_lost = {{"n03", {moment}}}});
    burnin.run();
    CAPTURE(moment);
    CHECK(burnin.wrong.empty());
    CHECK(burnin.scheduler().done());
    CHECK(burnin.hosts_in(State::bad) == Hosts{"n03"});
    CHECK(burnin.hosts_in(State::good).size() == 6);
    const BurninReport report = burnin.report();
    CHECK(report.nodes[3].findings.front().measure == "carrier_losses");
    CHECK(report.nodes[3].reason.starts_with("its link eth0 lost its carrier 1 time between "));
    CHECK(exit_code(report) == 1);
  }
}

TEST_CASE("all links go down at once: no node is bad for it, and the burn-in does not end as if all was well",
          "[burnin]") {
  FakeBurnin burnin(fake_setup(7, all_rounds()), {.carrier_lost = {{"", {15}}}});
  burnin.run();
  CHECK(burnin.wrong.empty());
  CHECK(burnin.hosts_in(State::good).size() == 7);
  const BurninReport report = burnin.report();
  CHECK(std::ranges::count_if(report.fleet, is_fleet_without_carrier) == 1);
  CHECK(exit_code(report) == 2);
}

TEST_CASE("links that a round takes down itself say nothing of their nodes", "[burnin]") {
  FakeBurnin burnin(fake_setup(4, {facts_round(), run_round(), compute_round()}), {.carrier_lost = {{"n99", {1}}}});
  burnin.run();
  CHECK(std::ranges::count_if(burnin.results, [](const auto& one) { return one.cell.kinds.empty(); }) >= 4);
  CHECK(burnin.hosts_in(State::good).size() == 4);
  CHECK(exit_code(burnin.report()) == 0);
}

TEST_CASE("a node whose link lost its carrier is not clear where the burn-in ends with that", "[burnin]") {
  FakeBurnin burnin(fake_setup(4, {facts_round(), compute_round(2)}, 1),
                    {.carrier_lost = {{"n00", {12}}, {"n01", {12}}, {"n02", {12}}, {"n03", {12}}}});
  burnin.run();
  // Of the last cell's node alone it is known.
  CHECK(burnin.hosts_in(State::bad).empty());
  CHECK(burnin.hosts_in(State::suspect).size() == 1);
  CHECK(exit_code(burnin.report()) == 2);
}

TEST_CASE("a link that flaps before the burn-in is given up is told, and by a log that is read again, too",
          "[burnin]") {
  const BurninSetup setup = fake_setup(5, all_rounds());
  FakeBurnin burnin(setup, {.carrier_lost = {{"n03", {9}}}});
  while (burnin.results.size() < 21) REQUIRE(burnin.step());
  const test::TempDirectory place;
  {
    auto log = BurninLog::create(place.path(), {.setup = setup, .config_file = "x.lua", .launcher = "srun"});
    REQUIRE(log);
    for (const BurninCellResult& result : burnin.results) REQUIRE(log->done(result));
  }
  const auto opened = BurninLog::open(place.path());
  REQUIRE(opened);
  BurninScheduler again(setup, judge_fakes);
  REQUIRE(replay_burnin(*opened, again));
  static_cast<void>(again.give_up("enough"));
  const BurninReport report = again.report();
  CHECK(report.nodes[3].state == State::bad);
  CHECK(report.nodes[3].findings.front().measure == "carrier_losses");
  CHECK(std::ranges::count_if(report.nodes, [](const auto& one) { return one.state == State::bad; }) == 1);
}

}  // namespace grit
