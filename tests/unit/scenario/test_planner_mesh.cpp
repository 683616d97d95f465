#include "tests/catch.hpp"
#include "tests/unit/scenario/planned.hpp"

using namespace grit::test;
using grit::Plan;
using grit::Scenario;

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
