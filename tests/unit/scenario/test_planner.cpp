#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "harness/scenario/load.hpp"
#include "harness/scenario/planner.hpp"
#include "harness/scenario/seeded_choice.hpp"
#include "harness/scenario/timing.hpp"
#include "injectors/injector.hpp"
#include "injectors/node_list.hpp"
#include "tests/catch.hpp"
#include "tests/unit/scenario/fixture.hpp"

using namespace grit::test;
using grit::BlockKind;
using grit::Plan;
using grit::Scenario;

namespace {

Scenario scenario(std::string_view faults) {
  auto loaded = load_text(scenario_with(fmt::format("faults = {{ {} }},", faults)));
  INFO((loaded ? std::string() : loaded.error().message));
  REQUIRE(loaded.has_value());
  return std::move(*loaded);
}

Plan plan_of(const Scenario& scenario, int nodes = 4, const grit::PlanRequest& request = {}) {
  auto plan = grit::make_plan(scenario, cluster_of(nodes), request);
  INFO((plan ? std::string() : plan.error().message));
  REQUIRE(plan.has_value());
  return std::move(*plan);
}

std::string error_of(const Scenario& scenario, const grit::Topology& topology = cluster_of(4)) {
  const auto plan = grit::make_plan(scenario, topology, {});
  REQUIRE_FALSE(plan.has_value());
  CHECK(plan.error().kind == grit::ErrorKind::usage);
  return plan.error().message;
}

std::string text_of(const Plan& plan) { return grit::to_json(plan).dump(); }

std::vector<int> victims(const Plan& plan) {
  std::vector<int> nodes;
  for (const grit::PlannedFault& fault : plan.faults) nodes.push_back(fault.node);
  return nodes;
}

std::vector<BlockKind> kinds(const Plan& plan) {
  std::vector<BlockKind> all;
  for (const grit::Block& block : plan.blocks) all.push_back(block.kind);
  return all;
}

}  // namespace

TEST_CASE("the same seed gives the same bytes, another seed another order") {
  const Scenario flap = scenario("f { on = 'any' }");
  CHECK(text_of(plan_of(flap, 4, {.seed = 7})) == text_of(plan_of(flap, 4, {.seed = 7})));
  std::set<std::vector<BlockKind>> orders;
  std::set<std::vector<int>> chosen;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Plan plan = plan_of(flap, 4, {.seed = seed});
    orders.insert(kinds(plan));
    chosen.insert(victims(plan));
  }
  CHECK(orders.size() > 10);
  CHECK(chosen.size() == 4);  // every node is chosen by some seed
}

TEST_CASE("seeded choice is the same on every machine") {
  // std::mt19937_64 seeded with 5489 (its default) gives 14514284786278117030 first ([rand.predef] fixes the 10000th).
  grit::SeededChoice choice(5489);
  CHECK(choice.below(1'000'000) == 14514284786278117030ULL % 1'000'000);
  grit::SeededChoice other(3);
  for (int i = 0; i < 100; ++i) {
    const std::vector<int> sample = other.sample(5, 3);
    CHECK(sample.size() == 3);
    CHECK(std::is_sorted(sample.begin(), sample.end()));
    CHECK(std::set<int>(sample.begin(), sample.end()).size() == 3);
    CHECK(sample.back() < 5);
  }
  CHECK(other.below(1) == 0);
}

TEST_CASE("blocks are a warm-up and then pairs in random order") {
  const Plan plan = plan_of(scenario("f {}"));
  REQUIRE(plan.blocks.size() == 17);
  CHECK(plan.blocks[0].kind == BlockKind::warmup);
  CHECK(plan.blocks[0].pair == -1);
  for (int pair = 0; pair < 8; ++pair) {
    const auto at = static_cast<std::size_t>(1 + 2 * pair);
    CHECK(plan.blocks[at].pair == pair);
    CHECK(plan.blocks[at + 1].pair == pair);
    CHECK(std::set{plan.blocks[at].kind, plan.blocks[at + 1].kind} == std::set{BlockKind::baseline, BlockKind::fault});
  }
  for (std::size_t i = 0; i < plan.blocks.size(); ++i) CHECK(plan.blocks[i].index == static_cast<int>(i));
}

TEST_CASE("without warm-up steps there is no warm-up block") {
  Scenario flap = scenario("f {}");
  flap.design.warmup_steps = 0;
  CHECK(plan_of(flap).blocks.size() == 16);
}

TEST_CASE("selectors choose nodes") {
  CHECK(victims(plan_of(scenario("f { on = 2 }"))) == std::vector<int>{2});
  CHECK(victims(plan_of(scenario("f { on = { 3, 1 } }"))) == std::vector<int>{3, 1});
  CHECK(victims(plan_of(scenario("f { on = 'all' }"))) == std::vector<int>{0, 1, 2, 3});
  CHECK(victims(plan_of(scenario("f { on = '25%' }"))).size() == 1);
  CHECK(victims(plan_of(scenario("f { on = '26%' }"))).size() == 2);
  CHECK(victims(plan_of(scenario("f { on = '1%' }"))).size() == 1);
  CHECK(victims(plan_of(scenario("f { on = '7%' }"), 100)).size() == 7);
  CHECK(victims(plan_of(scenario("f { on = '100%' }"))).size() == 4);
}

namespace {

/// Of a workload that would use these axes, which ddp does not.
Scenario over(const grit::AxisValues& mesh, std::string_view faults) {
  Scenario made = scenario(faults);
  made.mesh = mesh;
  return made;
}

const grit::AxisValues kTwoByTwo{{grit::Axis::tp, 2}, {grit::Axis::pp, 2}};

/// Nodes with ranks one after the other, as launchers give them.
grit::Topology ranks_on(int nodes, int ranks_per_node) {
  grit::Topology topology = cluster_of(nodes);
  for (grit::Node& node : topology.nodes) {
    node.ranks.clear();
    for (int i = 0; i < ranks_per_node; ++i) node.ranks.push_back(node.index * ranks_per_node + i);
  }
  return topology;
}

Plan plan_on(const Scenario& scenario, const grit::Topology& topology) {
  auto plan = grit::make_plan(scenario, topology, {});
  INFO((plan ? std::string() : plan.error().message));
  REQUIRE(plan.has_value());
  return std::move(*plan);
}

}  // namespace

TEST_CASE("a mesh is made when the number of ranks is known") {
  const Plan plan = plan_on(over(kTwoByTwo, "f { on = 1 }"), ranks_on(4, 2));
  REQUIRE(plan.mesh.has_value());
  CHECK(plan.mesh->size(grit::Axis::dp) == 2);
  CHECK(grit::to_json(plan)["mesh"] == grit::Json{{"dp", 2}, {"tp", 2}, {"pp", 2}, {"ep", 1}});
  const auto again = grit::plan_from_json(grit::to_json(plan));
  REQUIRE(again.has_value());
  CHECK(text_of(*again) == text_of(plan));
  CHECK(contains(error_of(over({{grit::Axis::tp, 3}, {grit::Axis::pp, 2}}, "f {}"), ranks_on(4, 2)),
                 "mesh: tp = 3 and pp = 2 do not divide 8 ranks"));
  CHECK(contains(error_of(over({{grit::Axis::dp, 3}}, "f {}")), "mesh: dp = 3 makes 3 ranks, but there are 4"));
}

TEST_CASE("without a mesh the plan is as it always was") {
  const Plan plan = plan_of(scenario("f { on = { dp = 2 } }"));
  CHECK_FALSE(plan.mesh.has_value());
  CHECK_FALSE(grit::to_json(plan).contains("mesh"));
  CHECK(victims(plan) == std::vector<int>{2});
  CHECK_FALSE(contains(grit::describe_plan(plan), "mesh"));
  Scenario said = scenario("f { on = { dp = 2 } }");
  said.mesh = {{grit::Axis::dp, 4}};
  CHECK(victims(plan_of(said)) == victims(plan));
  CHECK_FALSE(contains(grit::describe_plan(plan_of(said)), "mesh"));
}

TEST_CASE("coordinates choose the nodes that have a rank there") {
  const auto nodes = [](std::string_view faults, const grit::Topology& topology) {
    return victims(plan_on(over(kTwoByTwo, faults), topology));
  };
  const grit::Topology two = ranks_on(4, 2), four = ranks_on(2, 4);
  CHECK(nodes("f { on = { pp = 1 } }", two) == std::vector<int>{2, 3});
  CHECK(nodes("f { on = { pp = 1, dp = 0 } }", two) == std::vector<int>{2});
  CHECK(nodes("f { on = { tp = 1 } }", two) == std::vector<int>{0, 1, 2, 3});
  CHECK(nodes("f { on = { pp = 1 } }", four) == std::vector<int>{1});
  CHECK(nodes("f { on = grit.node { pp = 1 } }", two) == std::vector<int>{2, 3});
  CHECK(nodes("f { on = grit.others(grit.node(3), { pp = 1 }) }", two) == std::vector<int>{2});
  const Plan cut = plan_on(over(kTwoByTwo, "grit.fault.partition { on = 0, from = { pp = 1 } }"), two);
  CHECK(cut.faults.at(0).params["from"] == "2-3");
  const auto wrong = [&](std::string_view faults) { return error_of(over(kTwoByTwo, faults), two); };
  CHECK(contains(wrong("f { on = { pp = 2 } }"),
                 "x.lua:2: fault link_flap: pp = 2 is beyond the mesh, dp 2 × tp 2 × pp 2: there pp is 0 to 1"));
  CHECK(contains(wrong("f { on = { ep = 1 } }"), "there ep is 0 alone"));
  CHECK(contains(wrong("f { on = grit.others(grit.node({ 2, 3 }), { pp = 1 }) }"),
                 "none of the others has a rank with pp = 1"));
  CHECK(contains(wrong("grit.fault.partition { on = 0, from = { pp = 5 } }"), "`from`: pp = 5 is beyond"));
}

TEST_CASE("a culprit that is expected by coordinates is one of these nodes") {
  Scenario made = over(kTwoByTwo, "f { on = { pp = 1 } }");
  made.expect.culprit = {
      .on = grit::NodeSelector{.kind = grit::NodeSelector::Kind::coordinates, .at = {{grit::Axis::pp, 1}}},
      .resource = "network"};
  CHECK(plan_on(made, ranks_on(4, 2)).expect.culprit->on->nodes == std::vector<int>{2, 3});
  made.expect.culprit->on->at = {{grit::Axis::pp, 7}};
  CHECK(contains(error_of(made, ranks_on(4, 2)), "expect.culprit.node: pp = 7 is beyond the mesh"));
}

TEST_CASE("ranks with coordinates are places on each node that has some") {
  const auto places = [](std::string_view fault, const grit::Topology& topology) {
    std::vector<std::pair<int, std::string>> all;
    for (const grit::PlannedFault& one : plan_on(over(kTwoByTwo, fault), topology).faults)
      all.emplace_back(one.node, one.params.at("rank").get<std::string>());
    return all;
  };
  using Places = std::vector<std::pair<int, std::string>>;
  CHECK(places("delay { rank = { dp = 0, tp = 1, pp = 1 } }", ranks_on(4, 2)) == Places{{2, "1"}});
  CHECK(places("delay { rank = { tp = 1 } }", ranks_on(4, 2)) == Places{{0, "1"}, {1, "1"}, {2, "1"}, {3, "1"}});
  CHECK(places("pause { rank = { dp = 1 } }", ranks_on(2, 4)) == Places{{0, "2-3"}, {1, "2-3"}});
  grit::Topology in_turn = cluster_of(2);
  in_turn.nodes[0].ranks = {0, 2, 4, 6}, in_turn.nodes[1].ranks = {1, 3, 5, 7};
  CHECK(places("delay { rank = { tp = 1 } }", in_turn) == Places{{1, "0-3"}});
  const Plan plan = plan_on(over(kTwoByTwo, "delay { rank = { tp = 1, pp = 1 } }"), ranks_on(2, 4));
  REQUIRE(plan.faults.size() == 1);
  CHECK(plan.faults[0].on.empty());
  CHECK(plan.faults[0].ranks == grit::AxisValues{{grit::Axis::tp, 1}, {grit::Axis::pp, 1}});
  CHECK(contains(grit::describe_plan(plan), "ranks      5, 7 (tp = 1, pp = 1)"));
  CHECK_FALSE(contains(grit::describe_plan(plan), "warning"));
}

TEST_CASE("that a node which was chosen by coordinates has other ranks, too, is said before it is run") {
  const auto text = [](std::string_view faults, const grit::Topology& topology) {
    return grit::describe_plan(plan_on(over(kTwoByTwo, faults), topology));
  };
  const std::string whole = text("f { on = { pp = 1 } }", ranks_on(4, 2));
  CHECK(contains(whole, "chosen by  pp = 1"));
  CHECK_FALSE(contains(whole, "warning"));
  CHECK(contains(text("f { on = { tp = 1 } }", ranks_on(4, 2)),
                 "warning       link_flap on tp = 1 goes by nodes, and these also hold ranks of other coordinates: "
                 "node0 (rank 0: dp "
                 "= 0, tp = 0, pp = 0), node1 (rank 2: dp = 1, tp = 0, pp = 0), node2 (rank 4: dp = 0, tp = 0, pp = "
                 "1), and 1 more; "
                 "what it does befalls them, too"));
  CHECK(contains(text("f { on = grit.node { dp = 0 } }", ranks_on(2, 4)), "link_flap on dp = 0 goes by nodes"));
  CHECK(contains(text("pause { on = { dp = 0 } }", ranks_on(2, 4)),
                 "rank = { dp = 0 } instead of `on` names the ranks alone"));
}

TEST_CASE("a node that does not exist is an error") {
  CHECK(contains(error_of(scenario("f { on = 9 }")),
                 "x.lua:2: fault link_flap: node 9 does not exist: this cluster has nodes 0 to 3"));
  CHECK(contains(error_of(scenario("f { on = 1 }"), cluster_of(1)), "this cluster has node 0 only"));
  CHECK(contains(error_of(scenario("f {}"), grit::Topology{}), "no nodes"));
}

TEST_CASE("a fault is resolved to device, mechanism, pulses and lease") {
  const Plan plan = plan_of(scenario("f { on = 1, down = '1s', after = '500ms' }"));
  REQUIRE(plan.faults.size() == 1);
  const grit::PlannedFault& fault = plan.faults[0];
  CHECK(fault.id == 0);
  CHECK(fault.device == "eth0");
  CHECK(fault.mechanism == "admin");
  CHECK(fault.undo == grit::UndoClass::persistent);
  REQUIRE(fault.pulses.size() == 1);
  CHECK(fault.pulses[0].start_ns == 500'000'000);
  CHECK(fault.pulses[0].end_ns == 1'500'000'000);
  CHECK(fault.lease_ns == 12'000'000'000);
  CHECK(plan.emulated.size() == 1);
  CHECK(plan.guards.empty());
}

TEST_CASE("nic = all is one fault on each rail, and they are followed as one") {
  grit::Topology topology = cluster_of(2);
  for (grit::Node& node : topology.nodes) {
    node.nics[1].pci = "0000:c1:00.0";
    node.nics.push_back(
        {.name = fmt::format("ib{}", node.index), .up = true, .role = grit::NicRole::data, .pci = "0000:1b:00.0"});
  }
  const auto planned = grit::make_plan(
      scenario("grit.fault.link_down { on = 'all', nic = 'all', lasts = '1s' }, delay { on = 1, follows = "
               "'link_down' }"),
      topology, {});
  INFO((planned ? std::string() : planned.error().message));
  REQUIRE(planned.has_value());
  const auto& faults = planned->faults;
  REQUIRE(faults.size() == 5);
  CHECK(faults[0].device == "ib0");
  CHECK(faults[1].device == "eth0");
  CHECK(faults[2].device == "ib1");
  CHECK(faults[3].device == "eth0");
  CHECK(faults[2].params["nic"] == "rail:0");
  CHECK(faults[3].params["nic"] == "rail:1");
  CHECK(faults[4].anchor.fault == 3);
  CHECK(contains(error_of(scenario("f { on = 0, nic = 'rail:2' }"), topology), "node0 has no rail:2"));
  const auto one = grit::make_plan(scenario("f { on = 0, nic = 'rail:1' }"), topology, {});
  REQUIRE(one.has_value());
  CHECK(one->faults.at(0).device == "eth0");
  CHECK(contains(grit::describe_plan(*one), "rail 1 of 2, chosen by the scenario"));
  CHECK(contains(grit::describe_plan(*planned), "rail 0 of 2, chosen by the scenario"));
  const auto unsaid = grit::make_plan(scenario("f { on = 0 }"), topology, {});
  REQUIRE(unsaid.has_value());
  CHECK(contains(grit::describe_plan(*unsaid), "rail 0 of 2, OMPI_MCA_btl_tcp_if_include"));
}

TEST_CASE("the lease of a fault of commands leaves them the time that they may take") {
  const auto lease_with = [](const char* timeout) {
    grit::PlanRequest request;
    request.allowed.commands = true;
    const std::string fault = fmt::format(
        "grit.fault.command {{ on = 1, apply = 'true', evidence = 'true', counter = 'echo 1', revert = 'true', "
        "timeout = '{}' }}",
        timeout);
    return plan_of(scenario(fault), 4, request).faults.at(0).lease_ns;
  };
  CHECK(lease_with("60s") - lease_with("5s") == 165'000'000'000);
}

TEST_CASE("a block must hold the whole fault") {
  const std::string message = error_of(scenario("f { down = '3s', after = '500ms' }"));
  CHECK(contains(message, "x.lua:2: fault link_flap: it ends 3.5s after the block's start, but design.block is 3s"));
  CHECK(contains(message, "make the block longer"));
  CHECK(plan_of(scenario("f { down = '2.5s', after = '500ms' }")).faults.size() == 1);
  Scenario in_steps = scenario("f { down = '30s' }");
  in_steps.design.block_ns = 0;
  in_steps.design.block_steps = 40;
  CHECK(plan_of(in_steps).faults[0].lease_ns == 70'000'000'000);
}

TEST_CASE("the same fault twice on one device is an error") {
  CHECK(contains(error_of(scenario("f { on = 1 }, f { on = 'all' }")),
                 "x.lua:2: link_flap acts on node1 eth0 twice at the same time"));
  CHECK(plan_of(scenario("f { on = 1 }, f { on = 2 }")).faults.size() == 2);
}

TEST_CASE("the guard rail refuses management NICs unless told otherwise") {
  const Scenario flap = scenario("f { on = { 0, 2 }, nic = 'mgmt0' }");
  const Plan refused = plan_of(flap);
  REQUIRE(refused.guards.size() == 2);
  CHECK(refused.guards[1].refused);
  CHECK(refused.guards[1].override_flag == "--allow-management");
  CHECK(contains(refused.guards[1].what, "node2 mgmt0"));
  CHECK(contains(refused.guards[1].what, "management"));
  CHECK(contains(refused.guards[1].what, "carries the default route"));
  const std::string text = grit::describe_plan(refused);
  CHECK(text.starts_with("REFUSED by the guard rails and not run"));
  const std::string last = text.substr(text.rfind('\n', text.size() - 2) + 1);
  CHECK(last.starts_with("REFUSED: link_flap on node2 mgmt0"));
  CHECK(contains(last, "--allow-management lets it pass"));

  const Plan allowed = plan_of(flap, 4, {.seed = 1, .allowed = {.management = true}});
  REQUIRE(allowed.guards.size() == 2);
  CHECK_FALSE(allowed.guards[0].refused);
  CHECK_FALSE(contains(grit::describe_plan(allowed), "REFUSED"));
}

TEST_CASE("no error repeats the whole of a long value, whichever parameter of whichever fault it is") {
  const auto error = [](const std::string& name, const std::string& param) {
    const std::string given = fmt::format("grit.fault.{} {{ {} = string.rep('q', 3000) }}", name, param);
    const auto loaded = load_text(scenario_with(fmt::format("faults = {{ {} }},", given)));
    if (!loaded) return loaded.error().message;
    const auto plan = grit::make_plan(*loaded, cluster_of(3), {});
    return plan ? std::string() : plan.error().message;
  };
  std::size_t refused = 0;
  for (const grit::Injector* injector : grit::injectors()) {
    std::vector<std::string> names{"on", "follows", "edge", "schedule", "after"};
    for (const grit::ParamSpec& param : injector->info().params) names.push_back(param.name);
    for (const std::string& name : names) {
      const std::string said = error(injector->info().name, name);
      CAPTURE(injector->info().name, name, said.substr(0, 200));
      CHECK(said.size() < 1000);
      refused += said.empty() ? 0 : 1;
    }
  }
  CHECK(refused > 150);  // a few texts may be anything: a directory, a command
}

TEST_CASE("what an injector cannot resolve carries the fault's line") {
  const std::string message = error_of(scenario("f { on = 1, nic = 'ib7' }"));
  CHECK(contains(message, "x.lua:2: fault link_flap: node1 has no NIC called ib7"));
}

TEST_CASE("a check of what some node lacks is no reason to refuse a plan: its readings there say so") {
  for (const char* check : {"link_up", "nic_errors"}) {
    auto loaded = load_text(
        scenario_with(fmt::format("faults = {{ f {{}} }}, checks = {{ grit.check.{} {{ nic = 'ib7' }} }},", check)));
    REQUIRE(loaded.has_value());
    CHECK(plan_of(*loaded).checks.size() == 1);
  }
}

TEST_CASE("two checks of one plug-in need names of their own") {
  const auto with = [](std::string_view second) {
    return load_text(scenario_with(fmt::format(
        "faults = {{ f {{}} }}, checks = {{ grit.check.link_up {{}}, grit.check.link_up {{ {} }} }},", second)));
  };
  CHECK(contains(with("nic = 'eth1'").error().message, "two checks are called link_up: give one another name"));
  const auto named = with("nic = 'eth1', name = 'link_up of eth1'");
  REQUIRE(named.has_value());
  CHECK(check_label(named->checks.at(1)) == "link_up of eth1");
}

TEST_CASE("a plan in words names everything that matters") {
  const std::string text = grit::describe_plan(plan_of(scenario("f { on = 3, down = '700ms' }"), 4, {.seed = 42}));
  for (const char* part :
       {"4 nodes", "node3 eth0", "admin", "persistent", "500ms to 1.2s", "down = 700ms", "slowdown of at least 10%",
        "42", "timer-driven accelerator", "gpt2-small", "8 pairs", "3s", "about 48 s"}) {
    CHECK(contains(text, part));
  }
}

TEST_CASE(
    "a plan in words says what is measured beside the pairs, how long it may take, and who is expected to be to "
    "blame") {
  const std::string text = grit::describe_plan(plan_of(*grit::test::load_text(R"(local grit = require "grit"
return grit.scenario {
  name = "x",
  workload = grit.workload.ddp {},
  faults = { grit.fault.link_flap { on = 2, down = "1s" } },
  design = { block = "3s", max_pairs = 16, sham = true, recovery = "2s" },
  expect = { slowdown = { at_least = "10%" }, recovers = { within = "2s" }, culprit = { node = "any", resource = "network" } },
})"),
                                                       4));
  for (const char* part : {"sham block", "2s without the fault", "up to 16 pairs when it is not clear yet after 8, 12",
                           "about 88 s to 2.93 min", "culprit node2, network", "steps are back within 2s"}) {
    CHECK(contains(text, part));
  }
}

TEST_CASE("what a plan cannot show on its cluster is said before it is run") {
  const auto said = [](int nodes, std::string_view more, std::string_view culprit) {
    const std::string text = grit::describe_plan(plan_of(*load_text(fmt::format(R"(local grit = require "grit"
return grit.scenario {{
  name = "x", workload = grit.workload.ddp {{}}, {}
  expect = {{ slowdown = {{ at_least = "10%" }}, culprit = {{ {} }} }},
}})",
                                                                                more, culprit)),
                                                         nodes));
    const auto at = text.find("  warning ");
    return at == std::string::npos ? std::string() : text.substr(at, text.find('\n', at) - at);
  };
  const std::string linked =
      R"(faults = { grit.fault.link_flap { on = 1 } }, design = { block = "3s", link_test = true },)";
  const std::string unlinked = R"(faults = { grit.fault.link_flap { on = 1 } }, design = { block = "3s" },)";
  const std::string network = R"(node = "any", resource = "network")";
  CHECK(contains(said(2, linked, network), "with 2 nodes the link between them can be named, not the node"));
  CHECK(contains(said(2, linked, network), "run on 3 nodes or more"));
  CHECK(said(3, linked, network).empty());
  CHECK(said(2, linked, R"(resource = "network")").empty());
  CHECK(said(2, unlinked, R"(node = "any", resource = "compute")").empty());
  CHECK(contains(said(4, unlinked, network), "design.link_test = true"));
  CHECK(said(4, unlinked + "checks = { grit.check.link_up {} },", network).empty());
  const std::string alone = R"(faults = { grit.fault.link_flap { on = 0 } }, design = { block = "3s" },)";
  CHECK(contains(said(1, alone, network), "no other node to compare with"));
  const std::string all = R"(faults = { delay { on = "all" } }, design = { block = "3s" },)";
  const auto delay = [](std::string text) { return text.replace(text.find("delay"), 5, "grit.fault.rank_delay"); };
  CHECK(contains(said(4, delay(all), R"(node = 1)"), "all nodes have the same fault"));
  CHECK(said(4, delay(all), R"(node = "any")").empty());  // all alike, or each in turn
  CHECK(said(4, delay(all), R"(resource = "compute")").empty());
  grit::Topology local = cluster_of(4);
  local.local_cluster = true;
  Scenario few = scenario("f { on = 1 }");
  few.expect.culprit = {.on = grit::NodeSelector{.kind = grit::NodeSelector::Kind::any}, .resource = "memory"};
  CHECK(contains(grit::describe_plan(*grit::make_plan(few, local, {})), "share one machine's memory"));
  CHECK_FALSE(contains(grit::describe_plan(plan_of(few)), "warning"));
  few.design.pairs = 2;
  CHECK(contains(grit::describe_plan(plan_of(few)), "a quick look: with so few pairs (2)"));
  grit::Plan crowded = plan_of(few);
  crowded.topology.local_cluster = false;
  grit::Node& node = crowded.topology.nodes.front();
  node.cores = 2;
  node.ranks.resize(8);
  CHECK_FALSE(contains(grit::describe_plan(crowded), "waiting for a CPU"));
  node.ranks.resize(9);
  CHECK(contains(grit::describe_plan(crowded), "9 ranks on " + node.name + "'s 2 CPUs: most of a step is waiting"));
}

TEST_CASE("a fault on a NIC that the job is told not to use is said before it is run") {
  grit::Topology topology = cluster_of(2);
  for (grit::Node& node : topology.nodes) {
    node.nics.push_back({.name = "eth1", .up = true, .role = grit::NicRole::data});
    node.nics.push_back({.name = "eth0.7", .up = true, .role = grit::NicRole::data, .lower = {"eth0"}});
  }
  const auto warning = [&](const char* nic) {
    const auto plan = grit::make_plan(scenario(fmt::format("f {{ on = 1, nic = '{}' }}", nic)), topology, {});
    REQUIRE(plan.has_value());
    return contains(grit::describe_plan(*plan), "without traffic");
  };
  CHECK_FALSE(warning("eth1"));  // nobody says which: MPI uses all
  topology.nodes[1].nics[1].chosen_by = "OMPI_MCA_btl_tcp_if_include=eth0";
  CHECK(warning("eth1"));
  CHECK_FALSE(warning("eth0"));
  CHECK_FALSE(warning("eth0.7"));  // one with it
  CHECK_FALSE(warning("data"));
}

namespace {

std::vector<std::pair<std::int64_t, std::int64_t>> ms(const std::vector<grit::Pulse>& pulses) {
  std::vector<std::pair<std::int64_t, std::int64_t>> all;
  for (const grit::Pulse& pulse : pulses)
    all.emplace_back(pulse.start_ns / 1'000'000, pulse.end_ns < 0 ? -1 : pulse.end_ns / 1'000'000);
  return all;
}

std::vector<std::pair<std::int64_t, std::int64_t>> times(std::string_view fault) {
  return ms(plan_of(scenario(fault)).faults.at(0).pulses);
}

using Times = std::vector<std::pair<std::int64_t, std::int64_t>>;

}  // namespace

TEST_CASE("every fault takes after, lasts, every and count") {
  CHECK(times("delay {}") == Times{{0, -1}});
  CHECK(times("delay { after = '500ms' }") == Times{{500, -1}});
  CHECK(times("delay { after = '500ms', lasts = '1s' }") == Times{{500, 1500}});
  CHECK(times("delay { after = '500ms', lasts = '200ms', every = '1s', count = 2 }") ==
        Times{{500, 700}, {1500, 1700}});
  // A block is 3 s long: what would end after it does not fit.
  CHECK(times("delay { lasts = '500ms', every = '1s' }") == Times{{0, 500}, {1000, 1500}, {2000, 2500}});
  CHECK(times("delay { lasts = '999ms', every = '1s' }").size() == 3);
  CHECK(times("delay { after = '2ms', lasts = '999ms', every = '1s' }").size() == 2);
  CHECK(contains(error_of(scenario("delay { lasts = '500ms', every = '1s', count = 4 }")),
                 "x.lua:4: fault rank_delay: it ends 3.5s after the block's start"));
  const Plan plan = plan_of(scenario("delay { delay = '7ms', lasts = '1s' }"));
  CHECK_FALSE(plan.faults[0].params.contains("lasts"));
  CHECK(plan.faults[0].params.at("delay") == 7'000'000);
}

TEST_CASE("timing that contradicts itself is refused with its line") {
  CHECK(contains(error_of(scenario("delay { count = 3 }")), "x.lua:4: fault rank_delay: `count`"));
  CHECK(contains(error_of(scenario("delay { every = '1s' }")), "x.lua:4: fault rank_delay: a fault that is repeated"));
  for (const char* overlapping : {"delay { every = '1s', lasts = '1s' }", "delay { every = '1s', lasts = '2s' }",
                                  "pause { every = '500ms', pause = '500ms', count = 2 }"})
    CHECK(contains(error_of(scenario(overlapping)), "longer than the fault lasts"));
  Scenario in_steps = scenario("delay { every = '1s', lasts = '100ms' }");
  in_steps.design.block_ns = 0;
  in_steps.design.block_steps = 40;
  CHECK(contains(error_of(in_steps), "say with `count`"));
}

TEST_CASE("a fault's own times win over the common ones") {
  CHECK(times("pause { after = '100ms', pause = '200ms', every = '1s', count = 2 }") ==
        Times{{100, 300}, {1100, 1300}});
  CHECK(times("pause { after = '100ms', pause = '200ms', count = 3 }") == Times{{100, 300}, {500, 700}, {900, 1100}});
  for (const char* fault : {"pause", "f"})
    CHECK(contains(load_error(scenario_with(fmt::format("faults = {{ {} {{ lasts = '1s' }} }},", fault))),
                   "takes no `lasts`: it says itself how long it lasts"));
  grit::InjectorInfo plain;
  plain.dose.param = "strength";
  CHECK(grit::timing_params_beside(plain).size() == grit::timing_params().size());
}

TEST_CASE("what `grit describe timing` promises to every fault holds for every fault, or is refused with the reason") {
  // Beside each key, what makes sense of it: a fault that is repeated must end, one that follows needs another.
  struct Key {
    std::string name, given, refusal;  // refusal: why some faults cannot take it; empty: all can
  };
  const std::vector<Key> keys{{"after", "after = '1ms'", ""},
                              {"lasts", "lasts = '100ms'", "it says itself how long it lasts"},
                              {"every", "every = '2s'", ""},
                              {"count", "count = 1", ""},
                              {"schedule", "schedule = 'poisson', every = '2s'", ""},
                              {"at_step", "at_step = 1", ""},
                              {"follows", "follows = 'first'", ""},
                              {"edge", "follows = 'first', edge = 'applied'", ""},
                              {"label", "label = 'this'", ""},
                              {"swizzle", "swizzle = '10ms'", "it acts between nodes"},
                              {"ramp", "ramp = '10ms'", "it has no dose that could grow"},
                              {"ramp_steps", "ramp = '10ms', ramp_steps = 2", "it has no dose that could grow"}};
  CHECK(keys.size() == grit::timing_params().size());
  const std::map<std::string, std::string> doses{
      {"ethernet_flood", "rate = '1Gbit/s', "}, {"memory_pressure", "hold = '64MiB', "},
      {"memory_bandwidth", "rate = '1GB/s', "}, {"page_cache_thrash", "rate = '1MB/s', "},
      {"disk_contention", "rate = '1MB/s', "},  {"site_check", "check = 'pressure', "}};
  // imbalance needs experts, and so a workload that has them.
  const auto with_experts = [](std::string lua) {
    const std::string_view ddp = "workload = grit.workload.ddp {}";
    return lua.replace(lua.find(ddp), ddp.size(), "workload = grit.workload.moe { scale = 2e-5 }, mesh = { ep = 2 }");
  };
  for (const grit::Injector* injector : grit::injectors()) {
    const grit::InjectorInfo& info = injector->info();
    const auto own = [&](const std::string& name) {
      return std::any_of(info.params.begin(), info.params.end(), [&](const auto& spec) { return spec.name == name; });
    };
    std::string required;
    for (const grit::ParamSpec& spec : info.params)
      if (spec.default_value.is_null())
        required += spec.name + (spec.unit == grit::Unit::time_ns ? " = '1s', " : " = 'true', ");
    // Doses that are as fast as it goes, or must be said.
    if (const auto given = doses.find(info.name); given != doses.end()) required += given->second;
    const bool takes_lasts = !own("lasts") && !grit::why_not_taken(info, "lasts");
    for (const Key& key : keys) {
      if (own(key.name)) continue;
      CAPTURE(info.name, key.name);
      const bool needs_end = takes_lasts && key.name != "lasts";
      const std::string lua =
          scenario_with(fmt::format("faults = {{ {} }}, grit.fault.{} {{ on = 1, {}{}{} }} }},",
                                    info.name == "rank_delay" ? "pause { on = 'all', label = 'first'"
                                                              : "delay { on = 'all', label = 'first', lasts = '50ms'",
                                    info.name, required, needs_end ? "lasts = '100ms', " : "", key.given));
      const auto loaded = load_text(info.name == "imbalance" ? with_experts(lua) : lua);
      const auto plan = loaded ? grit::make_plan(*loaded, cluster_of(4), {}) : tl::make_unexpected(loaded.error());
      INFO((plan ? std::string("accepted") : plan.error().message));
      CHECK((plan || (!key.refusal.empty() && contains(plan.error().message, key.refusal))));
    }
  }
}

TEST_CASE("a fault's own parameter with the name of a common one is of its unit") {
  // The fault then says itself when it comes: another meaning of the name would take the common one away.
  for (const grit::Injector* injector : grit::injectors())
    for (const grit::ParamSpec& own : injector->info().params)
      for (const grit::ParamSpec& common : grit::timing_params())
        if (own.name == common.name) {
          CAPTURE(injector->info().name, own.name);
          CHECK(own.unit == common.unit);
        }
}

TEST_CASE("link flaps come at random") {
  const auto flaps = times("f { on = 1, down = '100ms', schedule = 'poisson', every = '500ms' }");
  CHECK(flaps.size() > 8);  // one at least in each of 8 blocks, and some with more
  for (const auto& [start, end] : flaps) {
    CHECK(start > 500);  // its own `after`
    CHECK(end - start == 100);
  }
}

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

TEST_CASE("schedule = poisson draws other moments in every fault block, and the seed decides") {
  const Scenario random = scenario("delay { on = { 1, 2 }, schedule = 'poisson', every = '500ms', lasts = '100ms' }");
  const Plan plan = plan_of(random, 4, {.seed = 5});
  CHECK(text_of(plan) == text_of(plan_of(random, 4, {.seed = 5})));
  CHECK(text_of(plan) != text_of(plan_of(random, 4, {.seed = 6})));
  REQUIRE(plan.faults.size() == 2);
  CHECK(ms(plan.faults[0].pulses) != ms(plan.faults[1].pulses));  // nodes fail independently
  std::set<Times> different;
  for (const grit::Block& block : plan.blocks) {
    const std::size_t here = grit::pulses_in_block(plan.faults[0], block.index);
    CHECK((here > 0) == (block.kind == BlockKind::fault));
    Times own;
    std::int64_t off_ns = 0;
    for (const grit::Pulse& pulse : plan.faults[0].pulses) {
      if (pulse.block != block.index) continue;
      CHECK(pulse.end_ns - pulse.start_ns == 100'000'000);
      CHECK(pulse.start_ns > off_ns);
      CHECK(pulse.end_ns <= plan.design.block_ns);
      off_ns = pulse.end_ns;
      own.emplace_back(pulse.start_ns, pulse.end_ns);
    }
    if (!own.empty()) different.insert(own);
  }
  CHECK(different.size() == 8);
}

TEST_CASE("poisson: the time it is off is exponential") {
  grit::SeededChoice choice(1);
  Plan plan;
  plan.design.block_steps = 10;
  for (int i = 0; i < 2; ++i) plan.blocks.push_back({i, 0, BlockKind::fault});
  const grit::Timing timing{.lasts_ns = 1'000'000, .every_ns = 11'000'000, .count = 10'000, .poisson = true};
  const auto pulses = grit::poisson_pulses({grit::Pulse{}}, timing, plan, choice);
  REQUIRE(pulses.has_value());
  REQUIRE(pulses->size() == 20'000);
  double sum = 0, squares = 0, above_mean = 0;
  std::int64_t off_ns = 0;
  for (const grit::Pulse& pulse : *pulses) {
    if (pulse.start_ns < off_ns) off_ns = 0;  // the next block
    const double gap_ms = static_cast<double>(pulse.start_ns - off_ns) / 1e6;
    sum += gap_ms, squares += gap_ms * gap_ms, above_mean += gap_ms > 10 ? 1 : 0;
    off_ns = pulse.end_ns;
  }
  // Of 20 000 draws: five standard errors are 3.5 % of the mean, 7 % of the variance (fourth moment 9), 1.7 points.
  const double mean = sum / 20'000, variance = squares / 20'000 - mean * mean;
  CHECK(mean == Approx(10).epsilon(0.035));
  CHECK(variance == Approx(100).epsilon(0.1));
  CHECK(above_mean / 20'000 == Approx(std::exp(-1)).margin(0.017));
}

TEST_CASE("poisson that cannot be is refused") {
  CHECK(contains(load_error(scenario_with("faults = { delay { schedule = 'poisson' } },")), "needs `every`"));
  CHECK(contains(error_of(scenario("delay { schedule = 'poisson', every = '1s' }")), "give `lasts`"));
  CHECK(contains(error_of(scenario("delay { schedule = 'poisson', every = '1s', lasts = '1s' }")), "longer than"));
  CHECK(
      contains(error_of(scenario("delay { schedule = 'poisson', every = '99h', lasts = '1s' }")), "hardly any block"));
  CHECK(contains(error_of(scenario("delay { schedule = 'poisson', every = '1s', lasts = '1ms', at_step = 3 }")),
                 "say with `count`"));
  CHECK(contains(load_error(scenario_with("faults = { f { schedule = 'poisson' } },")), "needs `every`"));
}

TEST_CASE("at_step and follows say what a fault is counted from") {
  const Plan plan =
      plan_of(scenario("delay { on = 1, label = 'slow', after = '1s', lasts = '500ms' },"
                       "f { on = 1, follows = 'slow', down = '200ms', after = '100ms' },"
                       "pause { on = 1, follows = 'link_flap', edge = 'applied' },"
                       "delay { on = 2, at_step = 7 }"));
  REQUIRE(plan.faults.size() == 4);
  CHECK(plan.faults[1].anchor.kind == grit::Anchor::Kind::reverted);
  CHECK(plan.faults[1].anchor.fault == 0);
  CHECK(plan.faults[2].anchor.kind == grit::Anchor::Kind::applied);
  CHECK(plan.faults[2].anchor.fault == 1);
  CHECK(plan.faults[3].anchor.kind == grit::Anchor::Kind::step);
  CHECK(plan.faults[3].anchor.step == 7);
  const std::string text = grit::describe_plan(plan);
  for (const char* part : {"after fault 0 (rank_delay) is off again", "after fault 1 (link_flap) has come into force",
                           "after the start of step 7 of each fault block"})
    CHECK(contains(text, part));
  CHECK(grit::plan_from_json(grit::to_json(plan)).has_value());
}

TEST_CASE("what cannot be followed is refused") {
  const std::string delay = "delay { on = 1, lasts = '1s' },";
  CHECK(contains(error_of(scenario(delay + "f { on = 1, follows = 'slow' }")),
                 "no fault before this one in the list is called slow and acts on node1; there are: rank_delay"));
  CHECK(contains(error_of(scenario(delay + "f { on = 2, follows = 'rank_delay' }")), "acts on node2"));
  CHECK(contains(error_of(scenario("delay { on = 1 }, f { on = 1, follows = 'rank_delay' }")), "give it `lasts`"));
  CHECK(contains(error_of(scenario(delay + "delay { on = 1, after = '2s', lasts = '1ms' },"
                                           "f { on = 1, follows = 'rank_delay' }")),
                 "two faults on node1 are called rank_delay"));
  CHECK(contains(error_of(scenario("delay { on = 1, after = '1s', lasts = '1s' },"
                                   "f { on = 1, follows = 'rank_delay', after = '500ms', down = '900ms' }")),
                 "it ends 3.4s after the block's start"));
  CHECK(contains(load_error(scenario_with("faults = { delay { edge = 'applied' } },")), "give `follows` too"));
  CHECK(contains(load_error(scenario_with("faults = { delay { at_step = 2, follows = 'f' } },")), "give one of them"));
  Scenario in_steps = scenario("delay { at_step = 40 }");
  in_steps.design.block_ns = 0;
  in_steps.design.block_steps = 40;
  CHECK(contains(error_of(in_steps), "a block has the steps 0 to 39"));
}

TEST_CASE("swizzle: nodes begin one after another and end in another order") {
  const Scenario swizzled = scenario("delay { on = 'all', after = '500ms', lasts = '2s', swizzle = '600ms' }");
  std::set<std::vector<std::int64_t>> begin_orders, end_orders;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    std::vector<std::int64_t> begins, ends;
    for (const grit::PlannedFault& fault : plan_of(swizzled, 4, {.seed = seed}).faults) {
      REQUIRE(fault.pulses.size() == 1);
      begins.push_back(fault.pulses[0].start_ns / 1'000'000);
      ends.push_back(fault.pulses[0].end_ns / 1'000'000);
    }
    CHECK(std::set(begins.begin(), begins.end()) == std::set<std::int64_t>{500, 700, 900, 1100});
    CHECK(std::set(ends.begin(), ends.end()) == std::set<std::int64_t>{1900, 2100, 2300, 2500});
    begin_orders.insert(begins);
    end_orders.insert(ends);
  }
  CHECK(begin_orders.size() > 3);
  CHECK(end_orders.size() > 3);
  CHECK(contains(error_of(scenario("delay { lasts = '1s', swizzle = '500ms' }")), "more than twice"));
  CHECK(contains(error_of(scenario("delay { swizzle = '500ms' }")), "give `lasts`"));
  CHECK(contains(error_of(scenario("grit.fault.ethernet_flood { on = 1, lasts = '2s', swizzle = '500ms' }")),
                 "acts between nodes"));
}

TEST_CASE("ramp: the dose grows in steps that follow each other") {
  const Plan plan = plan_of(scenario("delay { on = 1, delay = '8ms', after = '1s', ramp = '1s', ramp_steps = 4 }"));
  REQUIRE(plan.faults.size() == 4);
  const Times expected{{1000, 1250}, {1250, 1500}, {1500, 1750}, {1750, -1}};
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(ms(plan.faults[i].pulses) == Times{expected[i]});
    CHECK(plan.faults[i].params.at("delay") == static_cast<std::int64_t>(i + 1) * 2'000'000);
  }
  const Plan down = plan_of(scenario("grit.fault.gpu_throttle { clock = '20%', ramp = '1s', ramp_steps = 2 }"));
  CHECK(down.faults.at(0).params.at("clock").get<double>() == Approx(0.6));
  CHECK(down.faults.at(1).params.at("clock").get<double>() == 0.2);

  const Plan follows =
      plan_of(scenario("delay { on = 1, lasts = '1s', ramp = '500ms', ramp_steps = 2 },"
                       "pause { on = 1, follows = 'rank_delay' }"));
  CHECK(follows.faults.at(2).anchor.fault == 1);  // the last step's end
}

TEST_CASE("what cannot grow is refused") {
  CHECK(contains(load_error(scenario_with("faults = { f { ramp = '1s' } },")),
                 "takes no `ramp`: it has no dose that could grow"));
  CHECK(contains(error_of(scenario("delay { lasts = '1s', ramp = '1s' }")), "make `ramp` shorter than `lasts`"));
  CHECK(contains(error_of(scenario("delay { delay = '3ns', ramp = '1s', ramp_steps = 100 }")), "cannot grow in 100"));
  CHECK(contains(error_of(scenario("delay { delay = 0, jitter = '1ms', ramp = '1s' }")), "give another"));
}

TEST_CASE("the same fault may come twice on one device as long as the two do not meet") {
  const auto refused = [](std::string_view faults) {
    CHECK(contains(error_of(scenario(faults)), "twice at the same time"));
  };
  CHECK(plan_of(scenario("delay { on = 1, lasts = '1s' }, delay { on = 1, after = '1s' }")).faults.size() == 2);
  refused("delay { on = 1, lasts = '1s' }, delay { on = 1, after = '999ms' }");
  refused("delay { on = 1 }, delay { on = 1, after = '1s', lasts = '1ms' }");
  CHECK(plan_of(scenario("delay { on = 1, lasts = '1s' }, delay { on = 1, label = 'b', follows = 'rank_delay' }"))
            .faults.size() == 2);
  refused("delay { on = 1, lasts = '1s' }, delay { on = 1, follows = 'rank_delay', edge = 'applied' }");
  refused("delay { on = 1, lasts = '1s' }, delay { on = 1, at_step = 9 }");
  CHECK(
      plan_of(scenario("delay { on = 1, at_step = 9, lasts = '10ms' }, delay { on = 1, at_step = 9, after = '10ms' }"))
          .faults.size() == 2);
}

TEST_CASE("the same fault of ranks may be in force twice on one node, on different ranks") {
  const auto two = [](std::string_view first, std::string_view second) {
    return scenario(fmt::format("delay {{ on = 1, rank = '{}' }}, delay {{ on = 1, rank = '{}' }}", first, second));
  };
  const Plan plan = plan_on(two("0", "1,3"), ranks_on(2, 4));
  REQUIRE(plan.faults.size() == 2);
  CHECK(plan.faults[0].params.at("rank") == "0");
  CHECK(plan.faults[1].params.at("rank") == "1,3");
  for (const char* other : {"0-1", "all", "0"}) {
    INFO(other);
    const std::string message = error_of(two("0", other), ranks_on(2, 4));
    CHECK(contains(message, "twice at the same time"));
    CHECK(contains(message, "or let them be of different ranks"));
  }
  CHECK(contains(error_of(scenario("pause { on = 1, rank = '0' }, pause { on = 1, rank = '1' }"), ranks_on(2, 4)),
                 "twice at the same time"));
  // A stage of a pipeline each, where every node has ranks of both.
  grit::Topology in_turn = cluster_of(2);
  in_turn.nodes[0].ranks = {0, 2, 4, 6}, in_turn.nodes[1].ranks = {1, 3, 5, 7};
  const Plan stages =
      plan_on(over(kTwoByTwo, "delay { rank = { pp = 0 } }, delay { rank = { pp = 1 }, delay = '5ms' }"), in_turn);
  REQUIRE(stages.faults.size() == 4);
  CHECK(stages.faults[0].params.at("rank") == "0-1");
  CHECK(stages.faults[2].params.at("rank") == "2-3");
}

TEST_CASE("different faults that change the same thing of a node are refused when they meet, nested or not") {
  const auto two = [](std::string_view first, std::string_view second) {
    return scenario(fmt::format("grit.fault.{}, grit.fault.{}", first, second));
  };
  const std::string pause = "process_pause { on = 1, after = '1s', pause = '100ms' }";
  CHECK(contains(error_of(two("cpu_throttle { on = 1 }", pause)),
                 "cpu_throttle and process_pause both change the stop signals of the ranks on node1 at the same time"));
  CHECK_FALSE(plan_of(two("cpu_throttle { on = 1, lasts = '500ms' }", pause)).faults.empty());
  CHECK_FALSE(plan_of(two("cpu_throttle { on = 0 }", pause)).faults.empty());
  CHECK_FALSE(plan_of(two("cpu_contention { on = 1 }", pause)).faults.empty());
  CHECK(contains(error_of(two("link_rate { on = 1 }", "link_delay { on = 1, after = '1s', lasts = '100ms' }")),
                 "both change the root qdisc on node1 eth0"));
  CHECK(contains(error_of(two("link_rate { on = 1, at_step = 3 }", "link_delay { on = 1 }")), "as far as is known"));
  CHECK(contains(error_of(two("link_mtu { on = 1 }", "link_loss { on = 1, after = '1s', lasts = '100ms' }")),
                 "both change the root qdisc on node1 eth0"));
  CHECK_FALSE(plan_of(two("link_mtu { on = 1 }", "link_flap { on = 1, after = '1s', down = '100ms' }")).faults.empty());
}

TEST_CASE("a NIC and what stands on it are one: for faults that meet, and for nic = \"all\"") {
  grit::Topology topology = cluster_of(2);
  for (grit::Node& node : topology.nodes) {
    node.nics.push_back({.name = "bond0", .role = grit::NicRole::data, .lower = {"eth1"}});
    node.nics.push_back({.name = "bond0.7", .role = grit::NicRole::data, .lower = {"bond0"}});
  }
  const auto planned = [&](const std::string& faults) { return grit::make_plan(scenario(faults), topology, {}); };
  const auto both = [&](const char* nic) {
    return planned(
        fmt::format("grit.fault.link_mtu {{ on = 1, nic = 'bond0', after = '1s', lasts = '1s' }}, "
                    "f {{ on = 1, nic = '{}', after = '1.5s', down = '1s' }}",
                    nic));
  };
  CHECK(both("eth0").has_value());
  for (const char* related : {"bond0.7", "bond0"}) {
    INFO(related);
    REQUIRE_FALSE(both(related).has_value());
  }
  CHECK(contains(both("bond0.7").error().message,
                 "overlap on node1 bond0 and bond0.7, of which one stands on the other, without one lying"));
  const auto all = planned("grit.fault.link_down { on = 1, nic = 'all' }");
  REQUIRE(all.has_value());
  REQUIRE(all->faults.size() == 2);
  CHECK(all->faults[0].device == "eth0");
  CHECK(all->faults[1].device == "bond0");
}

TEST_CASE("different faults on one device nest or are refused") {
  const std::string flood = "grit.fault.ethernet_flood { on = 1, after = '1s', lasts = '1s' },";
  const auto flap = [&](std::string_view after, std::string_view down) {
    return scenario(flood + fmt::format("f {{ on = 1, after = '{}', down = '{}' }}", after, down));
  };
  CHECK_FALSE(plan_of(flap("1.2s", "200ms")).faults.empty());
  CHECK_FALSE(plan_of(flap("500ms", "2s")).faults.empty());
  CHECK_FALSE(plan_of(flap("1s", "500ms")).faults.empty());
  CHECK_FALSE(plan_of(flap("2s", "500ms")).faults.empty());
  const std::string message = error_of(flap("1.5s", "1s"));
  CHECK(contains(message, "x.lua:2: ethernet_flood and link_flap overlap on node1 eth0"));
  error_of(flap("500ms", "1s"));
  // Not known in advance: the agent takes the later one off first.
  CHECK_FALSE(plan_of(scenario(flood + "f { on = 1, at_step = 3 }")).faults.empty());
}
