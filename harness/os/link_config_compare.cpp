#include "harness/os/link_config_compare.hpp"

#include <fmt/format.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <tuple>

namespace grit::link_config {
namespace {

constexpr int kMadeByKernelLinkLocal = 3;  // IFAPROT_KERNEL_LL, Linux 5.18

/// An address without what changes by itself: lifetimes that count down, the state of duplicate address detection, and
/// IFA_F_STABLE_PRIVACY, which says how an address was made and cannot be set from outside.
Address comparable(Address address) {
  constexpr std::uint32_t kMoving =
      IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_DEPRECATED | IFA_F_OPTIMISTIC | IFA_F_STABLE_PRIVACY;
  address.flags &= ~kMoving;
  if (address.valid_s != Address::kForever) address.valid_s = 0;
  if (address.preferred_s != Address::kForever) address.preferred_s = 0;
  return address;
}

Route comparable(Route route) {
  route.expires_s = route.expires_s != 0 ? 1 : 0;
  return route;
}

Neighbour comparable(Neighbour neighbour) { return neighbour; }

template <class Item>
bool contains(const std::vector<Item>& items, const Item& wanted) {
  return std::any_of(items.begin(), items.end(),
                     [&](const Item& item) { return comparable(item) == comparable(wanted); });
}

template <class Item>
std::vector<Item> missing(const std::vector<Item>& wanted, const std::vector<Item>& now) {
  std::vector<Item> result;
  for (const Item& item : wanted)
    if (!contains(now, item)) result.push_back(item);
  return result;
}

}  // namespace

std::optional<bool> is_same(const LinkIdentity& identity, const Link& link) {
  const auto differ = [](const std::string& a, const std::string& b) { return !a.empty() && !b.empty() && a != b; };
  if (differ(link.permanent_mac, identity.permanent_mac) || differ(link.bus_device, identity.bus_device)) return false;
  if (!identity.permanent_mac.empty() && link.permanent_mac == identity.permanent_mac) return true;
  if (link.name == identity.name || link.mac == identity.mac) return true;
  return std::nullopt;
}

std::string describe(const Address& address) { return fmt::format("address {}/{}", address.local, address.prefix); }

std::string describe(const Route& route) {
  const std::string destination =
      route.destination.empty() ? std::string("default") : fmt::format("{}/{}", route.destination, route.prefix);
  return fmt::format("the {} route to {}{} in table {}", route.family == AF_INET6 ? "IPv6" : "IPv4", destination,
                     route.gateway.empty() ? "" : " by " + route.gateway, route.table);
}

bool is_derived(const Route& route) { return route.protocol == RTPROT_KERNEL && route.type != RTN_UNICAST; }

std::vector<Address> missing_addresses(const LinkConfig& wanted, const LinkConfig& now) {
  return missing(wanted.addresses, now.addresses);
}

std::vector<Route> missing_routes(const LinkConfig& wanted, const LinkConfig& now) {
  std::vector<Route> routes = missing(wanted.routes, now.routes);
  // A larger scope value is nearer: a gateway must lie in a nearer scope than the route through it (ip-route(8)).
  std::stable_sort(routes.begin(), routes.end(), [](const Route& a, const Route& b) {
    return std::tuple(!a.gateway.empty(), -a.scope) < std::tuple(!b.gateway.empty(), -b.scope);
  });
  return routes;
}

bool waits_for_carrier(const Route& route, const LinkConfig& now) {
  if (now.carrier || route.family != AF_INET6 || route.source.empty()) return false;
  return std::any_of(now.addresses.begin(), now.addresses.end(), [&](const Address& address) {
    return address.local == route.source && (address.flags & IFA_F_TENTATIVE) != 0;
  });
}

std::vector<Neighbour> missing_neighbours(const LinkConfig& wanted, const LinkConfig& now) {
  return missing(wanted.neighbours, now.neighbours);
}

std::vector<Address> unasked_addresses(const LinkConfig& wanted, const LinkConfig& now) {
  std::vector<Address> result;
  if (!wanted.carrier) return result;  // it would have got one by itself with the carrier
  for (const Address& address : missing(now.addresses, wanted.addresses)) {
    const bool link_local = address.family == AF_INET6 && address.scope == RT_SCOPE_LINK;
    const bool by_kernel = address.protocol == kMadeByKernelLinkLocal || address.protocol == 0;
    if (link_local && by_kernel && (address.flags & IFA_F_PERMANENT) != 0) result.push_back(address);
  }
  return result;
}

std::vector<Route> unasked_routes(const LinkConfig& wanted, const LinkConfig& now) {
  std::vector<Route> result;
  // With an address that somebody added meanwhile, its connected route is theirs as well: leave them all.
  const auto extra = missing(now.addresses, wanted.addresses);
  if (extra.size() > unasked_addresses(wanted, now).size()) return result;
  for (const Route& route : missing(now.routes, wanted.routes))
    if (route.protocol == RTPROT_KERNEL && wanted.carrier) result.push_back(route);
  return result;
}

std::vector<std::string> differences(const LinkConfig& wanted, const LinkConfig& now) {
  std::vector<std::string> lines;
  if (wanted.up != now.up) lines.push_back(wanted.up ? "it is down" : "it is up");
  for (const Address& address : missing_addresses(wanted, now)) lines.push_back(describe(address) + " is missing");
  for (const Route& route : missing_routes(wanted, now))
    if (!waits_for_carrier(route, now)) lines.push_back(describe(route) + " is missing");
  for (const Neighbour& neighbour : missing_neighbours(wanted, now))
    lines.push_back("neighbour " + neighbour.address + " is missing");
  for (const Address& address : unasked_addresses(wanted, now)) lines.push_back(describe(address) + " was not there");
  for (const Route& route : unasked_routes(wanted, now)) lines.push_back(describe(route) + " was not there");
  for (const auto& [name, value] : wanted.sysctls) {
    const auto found = now.sysctls.find(name);
    if (found == now.sysctls.end() || found->second != value) lines.push_back("net.ipv6.conf " + name + " has changed");
  }
  return lines;
}

}  // namespace grit::link_config
