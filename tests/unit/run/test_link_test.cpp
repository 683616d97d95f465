#include <set>
#include <utility>

#include "harness/run/link_test.hpp"
#include "tests/catch.hpp"

using namespace grit;

TEST_CASE("in a tournament every pair meets once, and nobody twice in a round") {
  for (int nodes = 0; nodes <= 17; ++nodes) {
    CAPTURE(nodes);
    std::set<std::pair<int, int>> met;
    for (int round = 0; round < tournament_rounds(nodes); ++round) {
      for (int node = 0; node < nodes; ++node) {
        const int partner = tournament_partner(node, round, nodes);
        if (partner < 0) continue;
        REQUIRE(partner < nodes);
        REQUIRE(partner != node);
        REQUIRE(tournament_partner(partner, round, nodes) == node);
        if (node < partner) CHECK(met.emplace(node, partner).second);
      }
    }
    CHECK(met.size() == static_cast<std::size_t>(nodes * (nodes - 1) / 2));
  }
  CHECK(tournament_rounds(0) == 0);
  CHECK(tournament_rounds(1) == 0);
  CHECK(tournament_rounds(5) == 5);
  CHECK(tournament_rounds(6) == 5);
}
