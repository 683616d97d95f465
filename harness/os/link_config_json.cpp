// LinkConfig as JSON, and back with every doubt (the record may have lain on a disk).
#include <arpa/inet.h>
#include <net/if.h>

#include <algorithm>

#include "harness/os/closed_object.hpp"
#include "harness/os/link_config.hpp"
#include "harness/os/link_sysctl.hpp"
#include "harness/os/netlink_message.hpp"

namespace grit {
namespace {

constexpr std::size_t kMaxAddressLength = INET6_ADDRSTRLEN;
constexpr std::size_t kMaxBusName = 255;
constexpr std::size_t kMaxMacLength = 95;  // MAX_ADDR_LEN of 32 bytes, which InfiniBand's 20 fit
constexpr std::size_t kMaxItems = 100'000;

std::string family_name(int family) { return family == AF_INET6 ? "ipv6" : "ipv4"; }

int read_family(ClosedObject& object) {
  return object.choice("family", {"ipv4", "ipv6"}) == "ipv6" ? AF_INET6 : AF_INET;
}

/// An address of this family, or (when it may be absent) nothing.
Status check_ip(int family, const std::string& address, bool optional) {
  if (address.empty() && optional) return {};
  if (auto bytes = rtnl::ip_bytes(family, address); !bytes) return tl::make_unexpected(bytes.error());
  return {};
}

int max_prefix(int family) { return family == AF_INET6 ? 128 : 32; }

Json to_json(const Address& a) {
  return Json{{"family", family_name(a.family)},
              {"local", a.local},
              {"peer", a.peer},
              {"prefix", a.prefix},
              {"broadcast", a.broadcast},
              {"label", a.label},
              {"flags", a.flags},
              {"scope", a.scope},
              {"valid_s", a.valid_s},
              {"preferred_s", a.preferred_s},
              {"metric", a.metric},
              {"protocol", a.protocol}};
}

Result<Address> address_from_json(const Json& json, int ifindex) {
  ClosedObject object(json, "address");
  Address a;
  a.ifindex = ifindex;
  a.family = read_family(object);
  a.local = object.text("local", kMaxAddressLength);
  a.peer = object.text("peer", kMaxAddressLength);
  a.prefix = static_cast<int>(object.integer("prefix", 0, max_prefix(a.family)));
  a.broadcast = object.text("broadcast", kMaxAddressLength);
  a.label = object.text("label", IFNAMSIZ - 1);
  a.flags = object.u32("flags");
  a.scope = static_cast<int>(object.integer("scope", 0, 255));
  a.valid_s = object.u32("valid_s");
  a.preferred_s = object.u32("preferred_s");
  a.metric = object.u32("metric");
  a.protocol = static_cast<int>(object.integer("protocol", 0, 255));
  GRIT_CHECK(object.done());
  GRIT_CHECK(check_ip(a.family, a.local, false));
  GRIT_CHECK(check_ip(a.family, a.peer, true));
  GRIT_CHECK(check_ip(a.family, a.broadcast, true));
  return a;
}

Json to_json(const Route& r) {
  Json metrics = Json::object();
  for (const auto& [metric, value] : r.metrics) metrics[std::to_string(metric)] = value;
  return Json{{"family", family_name(r.family)},
              {"destination", r.destination},
              {"prefix", r.prefix},
              {"gateway", r.gateway},
              {"source", r.source},
              {"metric", r.metric},
              {"table", r.table},
              {"scope", r.scope},
              {"protocol", r.protocol},
              {"type", r.type},
              {"tos", r.tos},
              {"onlink", r.onlink},
              {"preference", r.preference},
              {"expires_s", r.expires_s},
              {"metrics", metrics}};
}

Result<std::map<int, std::uint32_t>> metrics_from_json(const Json& json) {
  constexpr int kMaxMetric = 32;  // RTAX_MAX has room to grow
  std::map<int, std::uint32_t> metrics;
  ClosedObject object(json, "metrics");
  for (int metric = 1; metric <= kMaxMetric; ++metric) {
    const std::string key = std::to_string(metric);
    if (json.contains(key)) metrics[metric] = object.u32(key);
  }
  GRIT_CHECK(object.done());
  return metrics;
}

Result<Route> route_from_json(const Json& json, int ifindex) {
  ClosedObject object(json, "route");
  Route r;
  r.ifindex = ifindex;
  r.family = read_family(object);
  r.destination = object.text("destination", kMaxAddressLength);
  r.prefix = static_cast<int>(object.integer("prefix", 0, max_prefix(r.family)));
  r.gateway = object.text("gateway", kMaxAddressLength);
  r.source = object.text("source", kMaxAddressLength);
  r.metric = object.u32("metric");
  r.table = object.u32("table");
  r.scope = static_cast<int>(object.integer("scope", 0, 255));
  r.protocol = static_cast<int>(object.integer("protocol", 0, 255));
  r.type = static_cast<int>(object.integer("type", 0, 255));
  r.tos = static_cast<int>(object.integer("tos", 0, 255));
  r.onlink = object.boolean("onlink");
  r.preference = static_cast<int>(object.integer("preference", 0, 3));
  r.expires_s = object.u32("expires_s");
  const Json& metrics = object.object("metrics");
  GRIT_CHECK(object.done());
  GRIT_TRY(r.metrics, metrics_from_json(metrics));
  GRIT_CHECK(check_ip(r.family, r.destination, r.prefix == 0));
  GRIT_CHECK(check_ip(r.family, r.gateway, true));
  GRIT_CHECK(check_ip(r.family, r.source, true));
  return r;
}

Json to_json(const Neighbour& n) {
  return Json{{"family", family_name(n.family)},
              {"address", n.address},
              {"mac", n.mac},
              {"state", n.state},
              {"flags", n.flags},
              {"type", n.type}};
}

Result<Neighbour> neighbour_from_json(const Json& json, int ifindex) {
  ClosedObject object(json, "neighbour");
  Neighbour n;
  n.ifindex = ifindex;
  n.family = read_family(object);
  n.address = object.text("address", kMaxAddressLength);
  n.mac = object.text("mac", kMaxMacLength);
  n.state = static_cast<int>(object.integer("state", 0, 255));
  n.flags = static_cast<int>(object.integer("flags", 0, 255));
  n.type = static_cast<int>(object.integer("type", 0, 255));
  GRIT_CHECK(object.done());
  GRIT_CHECK(check_ip(n.family, n.address, false));
  return n;
}

template <class Item>
Json list_to_json(const std::vector<Item>& items) {
  Json list = Json::array();
  for (const Item& item : items) list.push_back(to_json(item));
  return list;
}

template <class Item>
Result<std::vector<Item>> list_from_json(const Json& list, int ifindex, Result<Item> (*read)(const Json&, int)) {
  std::vector<Item> items;
  for (const Json& json : list) {
    GRIT_TRY(Item item, read(json, ifindex));
    items.push_back(std::move(item));
  }
  return items;
}

}  // namespace

Json to_json(const LinkIdentity& i) {
  return Json{{"boot_id", i.boot_id},      {"netns", i.netns}, {"name", i.name},
              {"ifindex", i.ifindex},      {"mac", i.mac},     {"permanent_mac", i.permanent_mac},
              {"bus_device", i.bus_device}};
}

Result<LinkIdentity> link_identity_from_json(const Json& json) {
  ClosedObject object(json, "identity");
  LinkIdentity i;
  i.boot_id = object.text("boot_id", 64);
  i.netns = object.text("netns", 64);
  i.name = object.text("name", IFNAMSIZ - 1);
  i.ifindex = static_cast<int>(object.integer("ifindex", 1, INT32_MAX));
  i.mac = object.text("mac", kMaxMacLength);
  i.permanent_mac = object.text("permanent_mac", kMaxMacLength);
  i.bus_device = object.text("bus_device", kMaxBusName);
  GRIT_CHECK(object.done());
  const bool path = i.name.find('/') != std::string::npos || i.name == "." || i.name == "..";
  if (i.name.empty() || path) return usage_error("identity: 'name' is not an interface name");
  if (i.boot_id.empty() || i.netns.empty()) return usage_error("identity: it names no boot or no network namespace");
  return i;
}

namespace {

Result<std::map<std::string, std::int64_t>> sysctls_from_json(const Json& json) {
  std::map<std::string, std::int64_t> values;
  ClosedObject object(json, "sysctls");
  for (const std::string& name : link_sysctl_names())
    if (json.contains(name)) values[name] = object.integer(name, -1, 16);
  GRIT_CHECK(object.done());
  return values;
}

Json own_to_json(const LinkConfig& config) {
  return Json{{"identity", to_json(config.identity)},
              {"up", config.up},
              {"carrier", config.carrier},
              {"taken_s", config.taken_s},
              {"addresses", list_to_json(config.addresses)},
              {"routes", list_to_json(config.routes)},
              {"neighbours", list_to_json(config.neighbours)},
              {"sysctls", config.sysctls},
              {"bond_active", config.bond_active}};
}

/// With or without its uppers, which have none.
Result<LinkConfig> config_from_json(const Json& json, bool with_uppers) {
  ClosedObject object(json, "link");
  LinkConfig config;
  const Json& identity = object.object("identity");
  config.up = object.boolean("up");
  config.carrier = object.boolean("carrier");
  config.taken_s = object.integer("taken_s", 0, INT64_MAX);
  const Json& addresses = object.array("addresses", kMaxItems);
  const Json& routes = object.array("routes", kMaxItems);
  const Json& neighbours = object.array("neighbours", kMaxItems);
  const Json& sysctls = object.object("sysctls");
  config.bond_active = static_cast<int>(object.integer("bond_active", 0, INT32_MAX));
  const Json* uppers = with_uppers ? &object.array("uppers", kMaxItems) : nullptr;
  GRIT_CHECK(object.done());
  GRIT_TRY(config.identity, link_identity_from_json(identity));
  const int ifindex = config.identity.ifindex;
  GRIT_TRY(config.addresses, list_from_json<Address>(addresses, ifindex, address_from_json));
  GRIT_TRY(config.routes, list_from_json<Route>(routes, ifindex, route_from_json));
  GRIT_TRY(config.neighbours, list_from_json<Neighbour>(neighbours, ifindex, neighbour_from_json));
  GRIT_TRY(config.sysctls, sysctls_from_json(sysctls));
  if (uppers == nullptr) return config;
  for (const Json& upper : *uppers) {
    GRIT_TRY(LinkConfig one, config_from_json(upper, false));
    config.uppers.push_back(std::move(one));
  }
  return config;
}

}  // namespace

Json to_json(const LinkConfig& config) {
  Json json = own_to_json(config);
  json["uppers"] = Json::array();
  for (const LinkConfig& upper : config.uppers) json["uppers"].push_back(own_to_json(upper));
  return json;
}

Result<LinkConfig> link_config_from_json(const Json& json) { return config_from_json(json, true); }

}  // namespace grit
