#include <cstdint>
#include <set>
#include <string>

#include "harness/model/format.hpp"
#include "harness/model/plan.hpp"
#include "tests/catch.hpp"
#include "tests/text.hpp"

using grit::Json;
using grit::Plan;

namespace {

/// A plan in which every field differs from its default.
Plan example() {
  Plan plan;
  plan.scenario_name = "link_flap";
  plan.summary = "A \"NIC\" flaps: µ";
  plan.seed = UINT64_MAX;
  plan.options = {{"down", "1s"}, {"node", "any"}};
  grit::Node node;
  node.name = "node0";
  node.ranks = {0, 1};
  node.nics = {grit::Nic{.name = "eth0", .ifindex = 2, .role = grit::NicRole::data}};
  plan.topology = {{node, grit::Node{.index = 1, .name = "node1"}}, true};
  plan.workload = {"ddp", {{"scale", 0.02}, {"model", "gpt2-small"}, {"bucket", 25'000'000}}};
  // On dp alone, so that the coordinates below are there without a mesh, too.
  plan.mesh = grit::Mesh::over({{grit::Axis::dp, 2}, {grit::Axis::ep, 2}}, 2).value();
  plan.emulated = {"compute (timer-driven accelerator)"};
  plan.faults = {{.id = 0,
                  .name = "link_flap",
                  .node = 1,
                  .device = "eth0",
                  .mechanism = "admin",
                  .undo = grit::UndoClass::kernel,
                  .params = {{"down", 1'000'000'000}},
                  .pulses = {{500'000'000, 1'500'000'000}, {2'000'000'000, -1}},
                  .lease_ns = 12'000'000'000},
                 {.id = 1,
                  .name = "rank_delay",
                  .node = 1,
                  .ranks = {{grit::Axis::dp, 0}},
                  .anchor = {.kind = grit::Anchor::Kind::step, .step = 12},
                  .pulses = {{0, 100, 1}, {200, 300, 1}, {50, 90, 3}},
                  .lease_ns = 1},
                 {.id = 2,
                  .name = "process_pause",
                  .node = 1,
                  .on = {{grit::Axis::dp, 1}},
                  .anchor = {.kind = grit::Anchor::Kind::reverted, .fault = 1},
                  .pulses = {{0, -1}},
                  .lease_ns = 1}};
  plan.checks = {{"link_up", {{"nic", "data"}}}};
  plan.design = {.pairs = 9, .block_steps = 0, .block_ns = 2'500'000'000, .settle_steps = 2, .warmup_steps = 7};
  plan.blocks = {{0, -1, grit::BlockKind::warmup}, {1, 0, grit::BlockKind::fault}, {2, 0, grit::BlockKind::baseline}};
  plan.expect = {0.1, std::nullopt};
  plan.expect.p99_at_most = 0.3;
  plan.expect.throughput_at_least = 0.9;
  plan.expect.checks = {{"link_up", true}, {"nic_errors", false}};
  plan.allowed = {true, true, true, 3, 1 << 30, true};
  plan.guards = {{"link_flap on node1 mgmt0", false, "--allow-management"}};
  return plan;
}

std::string error_of(const Json& json) {
  const auto plan = grit::plan_from_json(json);
  REQUIRE_FALSE(plan.has_value());
  CHECK(plan.error().kind == grit::ErrorKind::usage);
  return plan.error().message;
}

using grit::test::contains;

}  // namespace

TEST_CASE("a plan survives JSON text exactly") {
  const std::string text = grit::to_json(example()).dump(1);
  const auto json = grit::parse_json(text);
  REQUIRE(json.has_value());
  CHECK(json->at("format") == 2);
  const auto plan = grit::plan_from_json(*json);
  REQUIRE(plan.has_value());
  CHECK(grit::to_json(*plan).dump(1) == text);
  CHECK(plan->seed == UINT64_MAX);
  CHECK(plan->summary == example().summary);
  REQUIRE(plan->faults.size() == 3);
  CHECK(plan->faults[1].anchor.step == 12);
  CHECK(plan->faults[2].anchor.kind == grit::Anchor::Kind::reverted);
  CHECK(plan->faults[2].anchor.fault == 1);
  CHECK(plan->allowed.max_victims == 3);
  CHECK(plan->faults[0].undo == grit::UndoClass::kernel);
  REQUIRE(plan->faults[0].pulses.size() == 2);
  CHECK(plan->faults[0].pulses[1].end_ns == -1);
  CHECK(plan->expect.slowdown_at_least == 0.1);
  CHECK_FALSE(plan->expect.slowdown_at_most.has_value());
  CHECK(plan->expect.p99_at_most == 0.3);
  CHECK(plan->expect.throughput_at_least == 0.9);
  CHECK(plan->expect.checks == example().expect.checks);
  CHECK(plan->blocks[1].kind == grit::BlockKind::fault);
  CHECK_FALSE(plan->guards[0].refused);
  CHECK(plan->topology.nodes[1].name == "node1");
  CHECK(plan->mesh == example().mesh);
  CHECK(plan->faults[1].ranks == example().faults[1].ranks);
  CHECK(plan->faults[2].on == example().faults[2].on);
  CHECK(plan->faults[0].on.empty());
  CHECK(plan->design.block_ns == 2'500'000'000);
}

TEST_CASE("pulses come in every fault block, or in the one they are for") {
  const Plan plan = example();
  CHECK(grit::pulses_in_block(plan.faults[0], 1) == 2);
  CHECK(grit::pulses_in_block(plan.faults[1], 1) == 2);
  CHECK(grit::pulses_in_block(plan.faults[1], 3) == 1);
  CHECK(grit::pulses_in_block(plan.faults[1], 2) == 0);
}

TEST_CASE("a plan of a newer format is refused, one of an older format is read") {
  Json json = grit::to_json(example());
  json["format"] = grit::formats::kPlan.number + 1;
  const std::string error = error_of(json);
  CHECK(contains(error, "format 3"));
  CHECK(contains(error, "up to 2"));
  json["format"] = 1;
  CHECK(grit::plan_from_json(json).has_value());
  json["format"] = "two";
  CHECK(contains(error_of(json), "no number"));
}

TEST_CASE("a plan of another version: what it lacks keeps its default, what it has more is passed over") {
  const Json whole = grit::to_json(example());
  const std::set<std::string> needed{"format",   "scenario", "seed",   "topology",
                                     "workload", "faults",   "design", "blocks"};
  for (const auto& [key, value] : whole.items()) {
    Json json = whole;
    json.erase(key);
    INFO(key);
    if (needed.contains(key)) {
      CHECK(contains(error_of(json), key));
    } else {
      CHECK(grit::plan_from_json(json).has_value());
    }
  }
  Json json = whole;
  json.erase("allowed");
  for (const char* key : {"resolved", "passive", "anchor"}) json["faults"][0].erase(key);
  json["weather"] = "fair";
  json["faults"][1]["colour"] = "red";
  const auto read = grit::plan_from_json(json);
  REQUIRE(read.has_value());
  CHECK_FALSE(read->allowed.management);
  CHECK(read->allowed.max_victims == 0);
  CHECK(read->faults[0].anchor.kind == grit::Anchor::Kind::block);
  CHECK_FALSE(read->faults[0].passive);
}

TEST_CASE("a plan without a mesh has all ranks on dp, and is written without one") {
  Plan plan = example();
  plan.mesh.reset();
  const Json json = grit::to_json(plan);
  CHECK_FALSE(json.contains("mesh"));
  CHECK_FALSE(json["faults"][0].contains("on"));
  CHECK_FALSE(json["faults"][0].contains("ranks"));
  const auto read = grit::plan_from_json(json);
  REQUIRE(read.has_value());
  CHECK_FALSE(read->mesh.has_value());
  CHECK(grit::mesh_of(*read).only_dp());
  CHECK(grit::mesh_of(*read).ranks() == 2);
  CHECK(grit::mesh_of(Plan()) == grit::Mesh());
}

TEST_CASE("the places of ranks with coordinates are counted on their node") {
  const grit::Mesh mesh = grit::Mesh::over({{grit::Axis::tp, 2}}, 8).value();
  const grit::Node node{.name = "node1", .ranks = {1, 3, 4, 6}};
  CHECK(grit::places_at(mesh, node, {{grit::Axis::tp, 0}}) == std::vector<int>{2, 3});
  CHECK(grit::places_at(mesh, node, {{grit::Axis::tp, 1}, {grit::Axis::dp, 1}}) == std::vector<int>{1});
  CHECK(grit::places_at(mesh, node, {{grit::Axis::tp, 1}, {grit::Axis::dp, 3}}).empty());
}

TEST_CASE("what a plan cannot be is refused") {
  const Json whole = grit::to_json(example());
  const auto broken = [&](const char* pointer, const Json& value) {
    Json json = whole;
    json[Json::json_pointer(pointer)] = value;
    INFO(pointer);
    return error_of(json);
  };
  error_of(Json::array());
  CHECK(contains(broken("/faults/0/undo", "magic"), "magic"));
  CHECK(contains(broken("/faults/0/node", 2), "does not exist"));
  CHECK(contains(broken("/faults/0/id", 1), "id"));
  CHECK(contains(broken("/faults/0/lease_ns", 0), "out of range"));
  CHECK(contains(broken("/faults/0/lease_ns", 1.5), "not an integer"));
  CHECK(contains(broken("/faults/0/lease_ns", UINT64_MAX), "not an integer"));
  CHECK(contains(broken("/faults/0/pulses/0/end_ns", 1), "ends before"));
  CHECK(contains(broken("/faults/1/pulses/0/block", -1), "out of range"));
  CHECK(contains(broken("/faults/1/anchor/kind", "noon"), "noon"));
  CHECK(contains(broken("/faults/1/anchor/step", -1), "out of range"));
  CHECK(contains(broken("/faults/2/anchor/fault", 2), "no earlier one of its node"));
  CHECK(contains(broken("/faults/1/node", 0), "no earlier one of its node"));
  CHECK(contains(broken("/allowed/max_victims", -1), "out of range"));
  CHECK(contains(broken("/design/block_steps", 3), "either in steps or in time"));
  CHECK(contains(broken("/blocks/2/index", 7), "out of order"));
  CHECK(contains(broken("/blocks/0/kind", "shame"), "shame"));
  CHECK(contains(broken("/seed", -1), "seed"));
  CHECK(contains(broken("/guards/0/refused", "no"), "refused"));
  CHECK(contains(broken("/emulated", {1}), "list of text"));
  CHECK(contains(broken("/mesh/tp", 2), "\"mesh\": dp = 2 and tp = 2 make 4 ranks, but there are 2"));
  CHECK(contains(broken("/mesh/tp", 0), "no integer from 1"));
  CHECK(contains(broken("/mesh", 8), "not an object"));
  CHECK(contains(broken("/faults/2/on/dp", 2), "fault 2: dp = 2 is beyond the mesh"));
  CHECK(contains(broken("/faults/1/ranks/tq", 0), "no axis \"tq\""));
  CHECK(contains(broken("/expect/slowdown_at_least", "10%"), "not a number"));
  CHECK(contains(broken("/expect/checks/link_up", "breaks"), "neither \"fails\" nor \"passes\""));
}
