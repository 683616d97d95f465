// Who comes first in a cell: a job's first rank has work that the others do not have, which must be no node's lot.
#include "tests/catch.hpp"
#include "tests/unit/burnin/fake_nodes.hpp"

namespace grit {
namespace {

struct Led {
  int first = 0, cells = 0;
};

/// By node, in how many of its cells it came first.
std::map<std::string, Led> led_in(const FakeBurnin& burnin, bool confirming) {
  std::map<std::string, Led> led;
  for (const BurninCell& cell : burnin.started) {
    if (cell.confirms != confirming) continue;
    for (const std::string& host : cell.hosts) ++led[host].cells;
    ++led[cell.hosts.front()].first;
  }
  return led;
}

}  // namespace

TEST_CASE("no node leads all of its cells", "[burnin]") {
  for (const std::uint64_t seed : {1U, 2U, 3U, 4U, 5U, 6U, 7U, 8U}) {
    BurninSetup groups = fake_setup(8, {group_round({4})});
    groups.seed = seed;
    FakeBurnin of_four(groups, {});
    of_four.run();
    for (const auto& [host, led] : led_in(of_four, false)) {
      CHECK(led.cells == 2);
      CHECK(led.first <= 1);
    }
    BurninSetup pairs = fake_setup(8, {links_round(4)});  // two that have led once may meet: one of them does again
    pairs.seed = seed;
    FakeBurnin of_two(pairs, {});
    of_two.run();
    for (const auto& [host, led] : led_in(of_two, false)) {
      CHECK(led.cells == 4);
      CHECK(led.first >= 1);
      CHECK(led.first <= 3);
    }
  }
}

TEST_CASE("a suspect leads no more of its cells than its company does", "[burnin]") {
  for (const auto& [round, size] : {std::pair(group_round({4}), 4), std::pair(links_round(), 2)}) {
    BurninSetup setup = fake_setup(8, {round});
    setup.config.confirm_visits = 4;
    FakeBurnin burnin(setup, {.link = {{"n03", 50}}});
    burnin.run();
    REQUIRE(burnin.hosts_in(BurninNodeState::bad) == std::vector<std::string>{"n03"});
    const Led suspect = led_in(burnin, true).at("n03");
    CHECK(suspect.cells >= 4);
    CHECK(suspect.first * size == suspect.cells);
  }
}

}  // namespace grit
