#include "injectors/flood_flows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "harness/os/closed_object.hpp"
#include "injectors/nic.hpp"

namespace grit {
namespace {

// Below the kernel's ephemeral ports (ip_local_port_range starts at 32768), above the registered services in use.
constexpr int kFirstPort = 20'000;
constexpr int kPortsOfOneFlood = 1'000;
constexpr std::uint64_t kFloods = 12;

/// Two different floods of a scenario mostly get ports of their own; the plan has no number for a fault that could be
/// used instead. FNV-1a, so that the same plan has the same ports everywhere.
int first_port(const std::vector<int>& on, const Params& params) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char byte : json_text(params.json()) + json_text(on))
    hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3U;
  return kFirstPort + static_cast<int>(hash % kFloods) * kPortsOfOneFlood;
}

Result<std::vector<int>> parse_list(const std::string& text, int nodes) {
  std::vector<int> list;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    int node = -1;
    const auto [next, error] = std::from_chars(at, end, node);
    if (error != std::errc() || node < 0 || (next != end && *next != ','))
      return usage_error(
          fmt::format("ethernet_flood: `to` is \"others\", \"all\" or a list of nodes like \"1,3\", not '{}'", text));
    if (node >= nodes)
      return usage_error(
          fmt::format("ethernet_flood: `to` names node {}, but there are nodes 0 to {} only", node, nodes - 1));
    list.push_back(node);
    at = next == end ? end : next + 1;
  }
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
  return list;
}

Result<std::vector<int>> receivers(const Topology& topology, const std::vector<int>& on, const std::string& to) {
  if (to != "others" && to != "all") return parse_list(to, static_cast<int>(topology.nodes.size()));
  std::vector<int> found;
  for (const Node& node : topology.nodes)
    if (to == "all" || std::find(on.begin(), on.end(), node.index) == on.end()) found.push_back(node.index);
  return found;
}

std::optional<std::string> address_of(const Node& node, const std::string& device, bool ipv6) {
  for (const Nic& nic : node.nics) {
    if (nic.name != device) continue;
    for (const std::string& address : nic.addresses)
      if ((address.find(':') != std::string::npos) == ipv6 && !address.starts_with("fe80"))
        return address.substr(0, address.find('/'));
  }
  return std::nullopt;
}

Status give_addresses(FloodFlow& flow, const Topology& topology, const std::string& nic) {
  const Node& from = topology.nodes[static_cast<std::size_t>(flow.from)];
  const Node& to = topology.nodes[static_cast<std::size_t>(flow.to)];
  GRIT_TRY(const std::string from_device, resolve_nic(from, nic));
  GRIT_TRY(const std::string to_device, resolve_nic(to, nic));
  for (const bool ipv6 : {false, true}) {
    const auto source = address_of(from, from_device, ipv6);
    const auto destination = address_of(to, to_device, ipv6);
    if (!source || !destination) continue;
    flow.source = *source;
    flow.destination = *destination;
    return {};
  }
  return usage_error(fmt::format("ethernet_flood: {} of {} and {} of {} have no addresses of the same family",
                                 from_device, from.name, to_device, to.name));
}

Json to_json(const FloodFlow& flow) {
  return {{"from", flow.from},
          {"to", flow.to},
          {"source", flow.source},
          {"destination", flow.destination},
          {"port", flow.port}};
}

Result<FloodFlow> flow_from_json(const Json& json) {
  constexpr std::int64_t kMostNodes = 1'000'000;
  constexpr std::size_t kLongestAddress = 45;
  ClosedObject object(json, "flow of ethernet_flood");
  FloodFlow flow;
  flow.from = static_cast<int>(object.integer("from", 0, kMostNodes));
  flow.to = static_cast<int>(object.integer("to", 0, kMostNodes));
  flow.source = object.text("source", kLongestAddress);
  flow.destination = object.text("destination", kLongestAddress);
  flow.port = static_cast<int>(object.integer("port", 1, 65'535));
  GRIT_CHECK(object.done());
  return flow;
}

}  // namespace

Result<std::vector<FloodFlow>> flood_flows(const Topology& topology, const std::vector<int>& on, const Params& params) {
  const auto streams = static_cast<int>(params.integer("streams"));
  GRIT_TRY(const std::vector<int> to, receivers(topology, on, params.text("to")));
  if (static_cast<int>(on.size()) * streams > kPortsOfOneFlood)
    return usage_error(fmt::format("ethernet_flood: {} senders with {} streams each need more than {} ports at a node",
                                   on.size(), streams, kPortsOfOneFlood));
  std::vector<FloodFlow> flows;
  int port = first_port(on, params);
  for (const int sender : on) {
    const std::size_t before = flows.size();
    for (const int receiver : to) {
      if (receiver == sender) continue;  // would not leave by the NIC
      FloodFlow flow{.from = sender, .to = receiver, .port = port};
      GRIT_CHECK(give_addresses(flow, topology, params.text("nic")));
      flows.push_back(flow);
    }
    if (flows.size() == before)
      return usage_error(
          fmt::format("ethernet_flood: node {} has nobody to send to (to = \"{}\"). Name other nodes; "
                      "to = \"all\" sends from every node in `on` to every other one",
                      sender, params.text("to")));
    port += streams;
  }
  return flows;
}

FloodRole flood_role(const std::vector<FloodFlow>& flows, int node) {
  FloodRole role;
  for (const FloodFlow& flow : flows) {
    if (flow.from == node) role.send.push_back(flow);
    if (flow.to == node) role.listen.push_back(flow);
  }
  return role;
}

Json to_json(const FloodRole& role) {
  Json json{{"send", Json::array()}, {"listen", Json::array()}};
  for (const FloodFlow& flow : role.send) json["send"].push_back(to_json(flow));
  for (const FloodFlow& flow : role.listen) json["listen"].push_back(to_json(flow));
  return json;
}

Result<FloodRole> flood_role_from_json(const Json& json) {
  constexpr std::size_t kMostFlows = 100'000;
  ClosedObject object(json, "flows of ethernet_flood");
  const Json& send = object.array("send", kMostFlows);
  const Json& listen = object.array("listen", kMostFlows);
  GRIT_CHECK(object.done());
  FloodRole role;
  for (const auto& [from, to] : {std::pair{&send, &role.send}, std::pair{&listen, &role.listen}}) {
    for (const Json& one : *from) {
      GRIT_TRY(FloodFlow flow, flow_from_json(one));
      to->push_back(std::move(flow));
    }
  }
  return role;
}

}  // namespace grit
