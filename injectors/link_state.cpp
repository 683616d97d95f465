#include "injectors/link_state.hpp"

#include <fmt/format.h>

#include "harness/os/netlink.hpp"

namespace grit {

Result<LinkConfig> read_link_to_take_down(const std::string& name) {
  GRIT_TRY(LinkConfig link, read_link_config(name));
  if (!link.up)
    return unavailable_error(fmt::format("{0} is down already: set it up first (ip link set {0} up)", name));
  return link;
}

Result<Link> present_link(Netlink& netlink, const LinkIdentity& identity) {
  GRIT_TRY(auto link, find_same_link(netlink, identity));
  if (!link) return internal_error(identity.name + " is gone, or is another interface now");
  return std::move(*link);
}

Status take_link_down(const LinkIdentity& identity) {
  GRIT_TRY(Netlink netlink, Netlink::open());
  GRIT_TRY(const Link link, present_link(netlink, identity));
  return netlink.set_down(link.ifindex);
}

Status may_take_links_down() {
  GRIT_TRY(Netlink netlink, Netlink::open());
  GRIT_TRY(const auto all, netlink.links());
  for (const Link& link : all)
    if (link.up()) return netlink.set_up(link.ifindex);
  return {};
}

Result<Reading> read_link_state(const LinkIdentity& identity, bool by_carrier) {
  GRIT_TRY(Netlink netlink, Netlink::open());
  GRIT_TRY(const auto link, find_same_link(netlink, identity));
  Reading reading;
  reading.details["interface"] = identity.name;
  reading.details["present"] = link.has_value();
  if (!link) return reading;
  reading.holds = reading.left = by_carrier ? !link->carrier : !link->up();
  reading.details["flags"] = fmt::format("{:#x}", link->flags);
  reading.details["up"] = link->up();
  reading.details["operstate"] = link->operstate;
  reading.details["carrier"] = link->carrier;
  return reading;
}

Result<Json> carrier_counters(const LinkIdentity& identity) {
  GRIT_TRY(Netlink netlink, Netlink::open());
  GRIT_TRY(const Link link, present_link(netlink, identity));
  return Json{{"carrier_changes", link.carrier_changes}, {"carrier_down_count", link.carrier_down_count}};
}

bool carrier_went(const Json& before, const Json& after) {
  const auto moved = [&](const char* key) { return before.value(key, 0LL) != after.value(key, 0LL); };
  return moved("carrier_changes") && moved("carrier_down_count");
}

}  // namespace grit
