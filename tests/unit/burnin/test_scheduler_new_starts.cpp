#include "tests/catch.hpp"
#include "tests/unit/burnin/fake_nodes.hpp"

namespace grit {
namespace {

using Hosts = std::vector<std::string>;
using State = BurninNodeState;

}  // namespace

TEST_CASE("a node that is started anew in a burn-in is bad, whenever that is, and no other is", "[burnin]") {
  for (int cells = 1; cells < 9; ++cells) {
    FakeBurnin burnin(fake_setup(7, all_rounds()), {.started_anew_after = {{"n03", cells}}});
    burnin.run();
    CAPTURE(cells);
    CHECK(burnin.wrong.empty());
    CHECK(burnin.scheduler().done());
    CHECK(burnin.hosts_in(State::bad) == Hosts{"n03"});
    CHECK(burnin.hosts_in(State::good).size() == 6);
    const BurninReport report = burnin.report();
    CHECK(report.nodes[3].findings.front().measure == "rebooted");
    CHECK(report.nodes[3].reason.starts_with("it was started anew after cell "));
    CHECK(exit_code(report) == 1);
  }
}

TEST_CASE("a node that is started anew within a cell, of which nothing comes, is bad", "[burnin]") {
  FakeBurnin burnin(fake_setup(5, all_rounds()), {.started_anew_after = {{"n03", 3}}, .loses = {{"n03", {2}}}});
  burnin.run();
  CHECK(burnin.wrong.empty());
  CHECK(burnin.hosts_in(State::bad) == Hosts{"n03"});
  CHECK(burnin.hosts_in(State::good).size() == 4);
}

TEST_CASE("a node that is started anew while the burn-in is interrupted has a remark, and is good", "[burnin]") {
  FakeBurnin burnin(fake_setup(4, all_rounds(), 1), {.started_anew_after = {{"n03", 1}}, .session_after = 4});
  burnin.run();
  CHECK(burnin.hosts_in(State::good).size() == 4);
  const BurninReport report = burnin.report();
  REQUIRE(report.nodes[3].remarks.size() == 1);
  CHECK(report.nodes[3].remarks[0].find("while the burn-in was interrupted") != std::string::npos);
  for (const int other : {0, 1, 2}) CHECK(report.nodes[static_cast<std::size_t>(other)].remarks.empty());
}

TEST_CASE("nodes that do not say which start of theirs it is, as in logs of earlier versions, are as ever",
          "[burnin]") {
  FakeBurnin burnin(fake_setup(4, all_rounds()), {});
  burnin.run();
  for (const BurninCellResult& result : burnin.results) REQUIRE(result.boot_ids.empty());
  CHECK(burnin.hosts_in(State::good).size() == 4);
}

TEST_CASE("cells of a good node that came to nothing are said, and it is measured again", "[burnin]") {
  FakeBurnin burnin(fake_setup(5, all_rounds()), {.loses = {{"n03", {1, 4}}}});
  burnin.run();
  CHECK(burnin.wrong.empty());
  CHECK(burnin.hosts_in(State::good).size() == 5);
  const BurninReport report = burnin.report();
  REQUIRE(report.nodes[3].remarks.size() == 1);
  CHECK(report.nodes[3].remarks[0].find("nothing came of it in 2 of its ") == 0);
  const auto computed = std::ranges::count_if(report.observations, [](const BurninObservation& one) {
    return one.host == "n03" && one.measure == "compute" && !one.confirms;
  });
  CHECK(computed == 3);  // as often as every other one
}

}  // namespace grit
