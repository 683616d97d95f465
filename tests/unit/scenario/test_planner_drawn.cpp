#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "injectors/node_list.hpp"
#include "tests/catch.hpp"
#include "tests/unit/scenario/planned.hpp"

using namespace grit::test;
using grit::Plan;
using grit::Scenario;

TEST_CASE("grit.node draws once what several faults and the expectation name") {
  const auto plan_with = [&](std::string_view list, std::uint64_t seed, std::string_view node = "victim") {
    auto loaded = load_text(fmt::format(
        "local grit = require 'grit'\nlocal victim = grit.node 'any'\nlocal rest, other = grit.others(victim), "
        "grit.others(victim, 'any')\nlocal f, delay = grit.fault.link_flap, grit.fault.rank_delay\n"
        "return grit.scenario {{ name = 'x', workload = grit.workload.ddp {{}}, faults = {{ {} }},\n"
        "design = {{ block = '3s' }}, expect = {{ slowdown = {{ at_least = '10%' }}, culprit = {{ node = {} }} }} }}",
        list, node));
    INFO((loaded ? std::string() : loaded.error().message));
    REQUIRE(loaded.has_value());
    return plan_of(*loaded, 8, {.seed = seed});
  };
  std::set<int> drawn;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const Plan plan = plan_with("f { on = victim }, delay { on = victim, follows = 'link_flap', lasts = '1ms' }", seed);
    const std::vector<int> nodes = victims(plan);
    REQUIRE(nodes.size() == 2);
    CHECK(nodes[0] == nodes[1]);
    drawn.insert(nodes[0]);
    // The plan holds the node, so that a replay and a later judgement know it too.
    const auto read = grit::plan_from_json(grit::to_json(plan));
    REQUIRE(read.has_value());
    CHECK(read->expect.culprit->on->nodes == std::vector<int>{nodes[0]});

    // A search that leaves faults out, or asks more of them, has the same victim.
    CHECK(victims(plan_with("delay { on = victim }", seed)) == std::vector<int>{nodes[0]});
    CHECK(victims(plan_with("delay { on = 'any' }, f { on = victim }", seed)).back() == nodes[0]);

    const std::vector<int> others = victims(plan_with("delay { on = rest }", seed));
    CHECK(others.size() == 7);
    CHECK(std::find(others.begin(), others.end(), nodes[0]) == others.end());
    CHECK(victims(plan_with("delay { on = other }", seed)).at(0) != nodes[0]);
  }
  CHECK(drawn.size() > 4);
}

TEST_CASE("a fault has the same victim whichever others are left out") {
  const Scenario three = scenario("f { on = 'any' }, delay { on = '25%' }, pause { on = 'any' }");
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const std::vector<int> all = victims(plan_of(three, 4, {.seed = seed}));
    REQUIRE(all.size() == 3);
    for (const std::vector<int>& some : {std::vector<int>{2}, {1, 2}, {0, 2}, {0}}) {
      std::vector<int> expected;
      for (const int place : some) expected.push_back(all[static_cast<std::size_t>(place)]);
      CHECK(victims(plan_of(three, 4, {.seed = seed, .faults = some})) == expected);
    }
  }
}

TEST_CASE("what cannot be drawn is refused with its line") {
  const auto with = [](std::string_view draw, std::string_view on) {
    return scenario_with(
        fmt::format("faults = (function() local v = {} return {{ delay {{ on = {} }} }} end)(),", draw, on));
  };
  const auto planned = [&](std::string_view draw, std::string_view on) {
    const auto loaded = load_text(with(draw, on));
    REQUIRE(loaded.has_value());
    return error_of(*loaded);
  };
  CHECK(contains(planned("grit.node(9)", "v"), "x.lua:4: node 9 does not exist"));
  CHECK(contains(planned("grit.others(grit.node 'all')", "v"), "there are no other nodes"));
  CHECK(contains(planned("grit.others(grit.node(1), 1)", "v"), "node 1 is none of the others"));
  CHECK(contains(load_error(with("grit.node()", "v")), "takes one node selector"));
  CHECK(contains(load_error(with("grit.node 'some'", "v")), "is not a node selector"));
  CHECK(contains(load_error(with("grit.others 'any'", "v")), "must be what grit.node \"any\" gave"));
  CHECK(contains(load_error(scenario_with("faults = { grit.fault.partition { direction = grit.node 'any' } },")),
                 "direction"));
}

TEST_CASE("the other end of a fault between nodes is drawn once, and is none of the nodes that it acts on") {
  const auto scenario_of = [](const std::string& faults) {
    auto loaded = load_text(
        "local grit = require 'grit'\nlocal victim = grit.node 'any'\nlocal other = grit.others(victim, 'any')\n"
        "local partition, flood = grit.fault.partition, grit.fault.ethernet_flood\n"
        "return grit.scenario { name = 'x', workload = grit.workload.ddp {}, faults = { " +
        faults + " }, design = { block = '3s' }, expect = { slowdown = { at_least = '10%' } } }");
    INFO((loaded ? std::string() : loaded.error().message));
    REQUIRE(loaded.has_value());
    return *loaded;
  };
  const auto peers = [](const grit::PlannedFault& fault) {
    const bool cut = fault.name == "partition";
    const grit::Json ranges = cut ? fault.resolved.at("nodes") : fault.resolved.at("rule").at("receivers");
    CHECK(fault.params.at(cut ? "from" : "to").is_string());
    return *grit::nodes_of_ranges(ranges, 8);
  };
  const Scenario any = scenario_of("partition { on = 'any', from = 'any' }");
  const Scenario drawn = scenario_of("flood { on = victim, to = other }, partition { on = victim, from = other }");
  const Scenario share = scenario_of("partition { on = { 1, 5 }, from = '50%' }");
  const Scenario two = scenario_of("partition { on = 0, from = 'any' }, grit.fault.rank_delay { on = 'any' }");
  std::set<std::pair<int, int>> different;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Plan plan = plan_of(any, 8, {.seed = seed});
    CHECK(text_of(plan) == text_of(plan_of(any, 8, {.seed = seed})));
    REQUIRE(plan.faults.size() == 1);
    REQUIRE(peers(plan.faults[0]).size() == 1);
    CHECK(peers(plan.faults[0])[0] != plan.faults[0].node);
    different.insert({plan.faults[0].node, peers(plan.faults[0])[0]});

    const Plan both = plan_of(drawn, 8, {.seed = seed});  // a flood acts at both of its ends
    REQUIRE(both.faults.size() == 3);
    const grit::PlannedFault& cut = both.faults[2];
    for (const grit::PlannedFault& fault : both.faults) {
      CHECK(peers(fault) == peers(cut));
      CHECK(fault.passive == (fault.node != cut.node));
    }

    const Plan second =
        plan_of(two, 8, {.seed = seed, .faults = std::vector<int>{1}});  // a search leaves out the first
    CHECK(second.faults.at(0).node == plan_of(two, 8, {.seed = seed}).faults.at(1).node);

    const Plan half = plan_of(share, 8, {.seed = seed});
    REQUIRE(half.faults.size() == 2);
    CHECK(peers(half.faults[0]).size() == 3);
    CHECK(peers(half.faults[0]) == peers(half.faults[1]));
    for (const int node : peers(half.faults[0])) CHECK((node != 1 && node != 5));
  }
  CHECK(different.size() > 20);
  const Plan named = plan_of(scenario_of("partition { on = 0, from = { 7, 1, 2, 3 } }"), 8);
  CHECK(named.faults[0].params.at("from") == "1-3,7");
  CHECK(contains(error_of(scenario_of("partition { on = 'all', from = 'any' }"), cluster_of(8)),
                 "`from`: there are no other nodes"));
  CHECK(contains(error_of(scenario_of("partition { on = victim, from = victim }"), cluster_of(8)), "nobody"));
}
