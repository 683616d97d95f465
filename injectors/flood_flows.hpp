// Who sends to whom in an ethernet_flood, from which address to which port. Pure: the plan holds the rule, of which
// each node works out its own part.
#pragma once

#include <string>
#include <vector>

#include "harness/model/params.hpp"
#include "harness/model/topology.hpp"

namespace grit {

/// Every sender sends to every receiver but itself. All to all of 500 nodes is 250,000 flows: they stand nowhere
/// together, neither in the plan nor in memory.
struct FloodRule {
  std::vector<int> senders{};  // nodes, ascending
  std::vector<int> receivers{};
  std::string nic{};   // the scenario's word for it, of all of them
  int first_port = 0;  // the first sender's first stream's; the others' follow, streams by streams
  int streams = 1;     // of one node to another
};

/// Error (usage): `to` names nobody who could receive, or there are more streams at a node than ports.
Result<FloodRule> flood_rule(const Topology& topology, const std::vector<int>& on, const Params& params);
/// Can every sender reach every receiver? One of each kind of addresses (IPv4, IPv6, both, none) stands for all of its
/// kind, or two, since a node does not send to itself. Error (usage): two nodes have no addresses of the same family.
Status check_addresses(const Topology& topology, const FloodRule& rule);
/// In the plan: of a size that does not grow with the nodes, where they are all or a few.
Json to_json(const FloodRule& rule);
/// Error (usage): not such a rule, or of other nodes.
Result<FloodRule> flood_rule_from_json(const Json& json, const Topology& topology);

/// One direction between two nodes. Its streams use `port`, port + 1 ...
struct FloodFlow {
  int from = 0;
  int to = 0;
  std::string source{};  // numeric addresses
  std::string destination{};
  int port = 0;  // at the destination
};

/// A node's part.
struct FloodRole {
  std::vector<FloodFlow> send{};
  std::vector<FloodFlow> listen{};
};
/// Error (usage): it and a peer have no addresses of the same family.
Result<FloodRole> flood_role(const Topology& topology, const FloodRule& rule, int node);
Json to_json(const FloodRole& role);
Result<FloodRole> flood_role_from_json(const Json& json);

}  // namespace grit
