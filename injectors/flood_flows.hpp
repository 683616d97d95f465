// Who sends to whom in an ethernet_flood, from which address to which port. Pure: the plan holds it, the agents obey.
#pragma once

#include <string>
#include <vector>

#include "harness/model/params.hpp"
#include "harness/model/topology.hpp"

namespace grit {

/// One direction between two nodes. Its streams use `port`, port + 1 ...
struct FloodFlow {
  int from = 0;
  int to = 0;
  std::string source{};  // numeric addresses
  std::string destination{};
  int port = 0;  // at the destination
};

/// All flows of the fault. Error (usage): `to` names nobody who could receive, or a node without a usable address.
Result<std::vector<FloodFlow>> flood_flows(const Topology& topology, const std::vector<int>& on, const Params& params);

/// A node's part of the plan.
struct FloodRole {
  std::vector<FloodFlow> send{};
  std::vector<FloodFlow> listen{};
};
FloodRole flood_role(const std::vector<FloodFlow>& flows, int node);
Json to_json(const FloodRole& role);
Result<FloodRole> flood_role_from_json(const Json& json);

}  // namespace grit
