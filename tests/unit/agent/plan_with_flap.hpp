// What tests of the agent's parts inject: eth0 of the only node is down from the block's start on.
#pragma once

#include "harness/model/plan.hpp"
#include "injectors/injector.hpp"
#include "tests/two_nodes.hpp"

namespace grit::test {

inline Plan plan_with_flap() {
  Plan plan;
  plan.topology.nodes = {Node{.index = 0, .name = "node0", .nics = {Nic{.name = "eth0", .role = NicRole::data}}}};
  PlannedFault fault;
  fault.name = "link_flap";
  fault.device = "eth0";
  fault.mechanism = "admin";
  fault.params = ok(complete_params(find_injector("link_flap")->info().params, Json::object()));
  fault.pulses = {Pulse{0, kNsPerS}};
  fault.lease_ns = 10 * kNsPerS;
  plan.faults = {fault};
  plan.blocks = {Block{0, 0, BlockKind::fault}};
  return plan;
}

}  // namespace grit::test
