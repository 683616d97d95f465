#include "injectors/flood_flows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "harness/base/shortened.hpp"
#include "harness/os/closed_object.hpp"
#include "injectors/nic.hpp"
#include "injectors/node_list.hpp"

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

/// Of one node's NIC.
struct Addresses {
  std::string device{};
  std::optional<std::string> ipv4{}, ipv6{};
};

Result<Addresses> addresses_on(const Node& node, const std::string& nic_word) {
  Addresses found;
  GRIT_TRY(found.device, resolve_nic(node, nic_word));
  for (const Nic& nic : node.nics) {
    if (nic.name != found.device) continue;
    for (const std::string& address : addresses_of(nic)) {
      auto& of_family = address.find(':') == std::string::npos ? found.ipv4 : found.ipv6;
      if (!of_family) of_family = address;
    }
  }
  return found;
}

Status give_addresses(FloodFlow& flow, const Topology& topology, const Addresses& from, const Addresses& to) {
  for (const auto family : {&Addresses::ipv4, &Addresses::ipv6}) {
    if (!(from.*family) || !(to.*family)) continue;
    flow.source = *(from.*family);
    flow.destination = *(to.*family);
    return {};
  }
  return usage_error(fmt::format("ethernet_flood: {} of {} and {} of {} have no addresses of the same family",
                                 from.device, topology.nodes[static_cast<std::size_t>(flow.from)].name, to.device,
                                 topology.nodes[static_cast<std::size_t>(flow.to)].name));
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

Status check_addresses(const Topology& topology, const FloodRule& rule) {
  struct Kind {
    std::array<std::pair<int, Addresses>, 2> nodes{};
    std::size_t count = 0;
  };
  using Kinds = std::array<Kind, 4>;  // by which families there are
  const auto kinds_of = [&](const std::vector<int>& nodes) -> Result<Kinds> {
    Kinds kinds;
    for (const int node : nodes) {
      GRIT_TRY(Addresses addresses, addresses_on(topology.nodes[static_cast<std::size_t>(node)], rule.nic));
      Kind& kind = kinds[(addresses.ipv4 ? 1U : 0U) + (addresses.ipv6 ? 2U : 0U)];
      if (kind.count < kind.nodes.size()) kind.nodes[kind.count++] = {node, std::move(addresses)};
    }
    return kinds;
  };
  GRIT_TRY(const Kinds senders, kinds_of(rule.senders));
  GRIT_TRY(const Kinds receivers, kinds_of(rule.receivers));
  for (const Kind& from_kind : senders)
    for (const Kind& to_kind : receivers)
      for (std::size_t i = 0; i < from_kind.count; ++i)
        for (std::size_t j = 0; j < to_kind.count; ++j) {
          const auto& [from, source] = from_kind.nodes[i];
          const auto& [to, destination] = to_kind.nodes[j];
          FloodFlow flow{.from = from, .to = to};
          if (from != to) GRIT_CHECK(give_addresses(flow, topology, source, destination));
        }
  return {};
}

Result<FloodRule> flood_rule(const Topology& topology, const std::vector<int>& on, const Params& params) {
  FloodRule rule{.senders = on,
                 .nic = params.text("nic"),
                 .first_port = first_port(on, params),
                 .streams = static_cast<int>(params.integer("streams"))};
  std::sort(rule.senders.begin(), rule.senders.end());
  GRIT_TRY(rule.receivers, listed_nodes("ethernet_flood: `to`", params.text("to"), topology, on));
  if (static_cast<int>(on.size()) * rule.streams > kPortsOfOneFlood)
    return usage_error(fmt::format("ethernet_flood: {} senders with {} streams each need more than {} ports at a node",
                                   on.size(), rule.streams, kPortsOfOneFlood));
  for (const int sender : rule.senders)
    if (rule.receivers.empty() || (rule.receivers.size() == 1 && rule.receivers.front() == sender))
      return usage_error(
          fmt::format("ethernet_flood: node {} has nobody to send to (to = \"{}\"). Name other nodes; "
                      "to = \"all\" sends from every node in `on` to every other one",
                      sender, shortened(params.text("to"))));
  return rule;
}

Json to_json(const FloodRule& rule) {
  return {{"senders", node_ranges(rule.senders)},
          {"receivers", node_ranges(rule.receivers)},
          {"nic", rule.nic},
          {"first_port", rule.first_port},
          {"streams", rule.streams}};
}

Result<FloodRule> flood_rule_from_json(const Json& json, const Topology& topology) {
  constexpr std::size_t kLongestNic = 64;
  ClosedObject object(json, "rule of ethernet_flood");
  FloodRule rule;
  const Json& senders = object.any("senders");
  const Json& receivers = object.any("receivers");
  rule.nic = object.text("nic", kLongestNic);
  rule.first_port = static_cast<int>(object.integer("first_port", 1, 65'535 - kPortsOfOneFlood));
  rule.streams = static_cast<int>(object.integer("streams", 1, kPortsOfOneFlood));
  GRIT_CHECK(object.done());
  GRIT_TRY(rule.senders, nodes_of_ranges(senders, topology.nodes.size()));
  GRIT_TRY(rule.receivers, nodes_of_ranges(receivers, topology.nodes.size()));
  return rule;
}

Result<FloodRole> flood_role(const Topology& topology, const FloodRule& rule, int node) {
  const auto at = [&](int index) -> const Node& { return topology.nodes[static_cast<std::size_t>(index)]; };
  const bool receives = std::binary_search(rule.receivers.begin(), rule.receivers.end(), node);
  GRIT_TRY(const Addresses mine, addresses_on(at(node), rule.nic));
  FloodRole role;
  for (std::size_t i = 0; i < rule.senders.size(); ++i) {
    const int sender = rule.senders[i];
    const int port = rule.first_port + static_cast<int>(i) * rule.streams;
    if (sender != node && receives) {
      FloodFlow flow{.from = sender, .to = node, .port = port};
      GRIT_TRY(const Addresses theirs, addresses_on(at(sender), rule.nic));
      GRIT_CHECK(give_addresses(flow, topology, theirs, mine));
      role.listen.push_back(std::move(flow));
    }
    for (std::size_t j = 0; sender == node && j < rule.receivers.size(); ++j) {
      if (rule.receivers[j] == node) continue;  // would not leave by the NIC
      FloodFlow flow{.from = node, .to = rule.receivers[j], .port = port};
      GRIT_TRY(const Addresses theirs, addresses_on(at(flow.to), rule.nic));
      GRIT_CHECK(give_addresses(flow, topology, mine, theirs));
      role.send.push_back(std::move(flow));
    }
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
