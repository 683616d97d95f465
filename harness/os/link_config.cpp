#include "harness/os/link_config.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <thread>

#include "harness/base/clock.hpp"
#include "harness/base/files.hpp"
#include "harness/os/identity.hpp"
#include "harness/os/link_config_compare.hpp"
#include "harness/os/link_sysctl.hpp"

namespace grit {
namespace {

constexpr std::int64_t kCarrierWait_ns = 2 * kNsPerS;
constexpr std::int64_t kDadWait_ns = 3 * kNsPerS;  // RFC 4862: a random delay of up to 1 s, then 1 s per probe
constexpr auto kPollInterval = std::chrono::milliseconds(10);

std::int64_t boottime_s() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_sec;
}

/// Interfaces that stand on this one (VLANs, macvlans) go down with it and lose routes that are not kept here.
Status refuse_uppers(Netlink& netlink, const Link& link) {
  GRIT_TRY(const auto all, netlink.links());
  std::vector<std::string> uppers;
  for (const Link& other : all)
    if (other.link_ifindex == link.ifindex && other.ifindex != link.ifindex && !other.link_netnsid &&
        other.kind != "veth")
      uppers.push_back(other.name);
  if (uppers.empty()) return {};
  return unavailable_error(
      fmt::format("{} carries {}, which would lose routes that cannot be put back. Name {} instead, or take it "
                  "off {} first",
                  link.name, fmt::join(uppers, ", "), uppers.front(), link.name));
}

Status refuse_unsupported(const std::string& name, const std::vector<Route>& routes) {
  for (const Route& route : routes) {
    if (route.unsupported.empty()) continue;
    return unavailable_error(fmt::format(
        "{} has {} with {}, which could not be put back exactly after it went down. Replace it by a plain route, or "
        "name another NIC",
        name, link_config::describe(route), route.unsupported));
  }
  return {};
}

/// Remaining lifetimes after `elapsed_s`; nothing when it has run out.
std::optional<Address> aged(Address address, std::int64_t elapsed_s) {
  const auto left = [&](std::uint32_t lifetime_s) {
    if (lifetime_s == Address::kForever) return lifetime_s;
    return lifetime_s > elapsed_s ? static_cast<std::uint32_t>(lifetime_s - elapsed_s) : 0U;
  };
  address.valid_s = left(address.valid_s);
  address.preferred_s = left(address.preferred_s);
  if (address.valid_s == 0) return std::nullopt;
  return address;
}

std::optional<Route> aged(Route route, std::int64_t elapsed_s) {
  if (route.expires_s == 0) return route;
  if (route.expires_s <= elapsed_s) return std::nullopt;
  route.expires_s -= static_cast<std::uint32_t>(elapsed_s);
  return route;
}

template <class Item>
std::vector<Item> all_aged(const std::vector<Item>& items, std::int64_t elapsed_s) {
  std::vector<Item> left;
  for (const Item& item : items)
    if (auto still = aged(item, elapsed_s)) left.push_back(std::move(*still));
  return left;
}

/// The configuration as it would be now had nothing happened but time.
LinkConfig today(LinkConfig config) {
  const std::int64_t elapsed_s = std::max<std::int64_t>(0, boottime_s() - config.taken_s);
  config.addresses = all_aged(config.addresses, elapsed_s);
  config.routes = all_aged(config.routes, elapsed_s);
  return config;
}

Result<LinkConfig> read_config(Netlink& netlink, const Link& link) {
  LinkConfig config;
  GRIT_TRY(config.identity.boot_id, boot_id());
  GRIT_TRY(config.identity.netns, netns_id());
  config.identity.name = link.name;
  config.identity.ifindex = link.ifindex;
  config.identity.mac = link.mac;
  config.up = link.up();
  config.carrier = link.carrier;
  config.taken_s = boottime_s();
  GRIT_TRY(config.addresses, netlink.addresses(link.ifindex));
  std::erase_if(config.addresses, [](const Address& address) {
    return address.family == AF_INET6 && (address.flags & IFA_F_TEMPORARY) != 0;
  });
  GRIT_TRY(config.routes, netlink.routes(link.ifindex));
  std::erase_if(config.routes, link_config::is_derived);
  GRIT_TRY(config.neighbours, netlink.permanent_neighbours(link.ifindex));
  config.sysctls = read_link_sysctls(link.name);
  return config;
}

Status wait_for_carrier(Netlink& netlink, const LinkConfig& config) {
  const std::int64_t deadline = monotonic_ns() + kCarrierWait_ns;
  for (;;) {
    GRIT_TRY(const auto link, netlink.find_link(config.identity.ifindex));
    if (!link || !config.carrier || (link->carrier && link->running()) || monotonic_ns() > deadline) return {};
    std::this_thread::sleep_for(kPollInterval);
  }
}

/// The kernel makes a link-local address and connected routes when an interface comes up, also where there were none.
Status remove_unasked(Netlink& netlink, const Link& link, const LinkConfig& wanted) {
  GRIT_TRY(const LinkConfig before, read_config(netlink, link));
  for (const Address& address : link_config::unasked_addresses(wanted, before))
    GRIT_CHECK(netlink.remove_address(address));
  GRIT_TRY(const LinkConfig after, read_config(netlink, link));  // an address takes its connected route along
  for (const Route& route : link_config::unasked_routes(wanted, after)) GRIT_CHECK(netlink.remove_route(route));
  return {};
}

/// Adds missing routes until none is missing or none can be added: a gateway is accepted once the route to it is there,
/// and an IPv6 source address once its duplicate address detection is over.
Status restore_routes(Netlink& netlink, const Link& link, const LinkConfig& wanted) {
  const std::int64_t deadline = monotonic_ns() + kDadWait_ns;
  for (;;) {
    GRIT_TRY(const LinkConfig now, read_config(netlink, link));
    const auto missing = link_config::missing_routes(wanted, now);
    if (missing.empty()) return {};
    bool progress = false;
    Status last;
    for (const Route& route : missing) {
      Status added = netlink.add_route(route);
      if (added)
        progress = true;
      else
        last = std::move(added);
    }
    if (last) return {};
    if (progress) continue;
    const bool detecting = std::any_of(now.addresses.begin(), now.addresses.end(),
                                       [](const Address& address) { return (address.flags & IFA_F_TENTATIVE) != 0; });
    if (!detecting || monotonic_ns() > deadline) return last;
    std::this_thread::sleep_for(kPollInterval);
  }
}

Status restore_on(Netlink& netlink, const Link& link, const LinkConfig& wanted) {
  if (link.up() != wanted.up) GRIT_CHECK(wanted.up ? netlink.set_up(link.ifindex) : netlink.set_down(link.ifindex));
  if (!wanted.up) return {};
  GRIT_CHECK(wait_for_carrier(netlink, wanted));
  GRIT_CHECK(write_link_sysctls(link.name, wanted.sysctls));
  GRIT_TRY(const LinkConfig now, read_config(netlink, link));
  for (const Address& address : link_config::missing_addresses(wanted, now)) GRIT_CHECK(netlink.add_address(address));
  GRIT_CHECK(restore_routes(netlink, link, wanted));
  for (const Neighbour& neighbour : link_config::missing_neighbours(wanted, now))
    GRIT_CHECK(netlink.add_neighbour(neighbour));
  return remove_unasked(netlink, link, wanted);
}

}  // namespace

Result<LinkConfig> read_link_config(const std::string& name) {
  GRIT_TRY(Netlink netlink, Netlink::open());
  GRIT_TRY(const Link link, netlink.link(name));
  GRIT_CHECK(refuse_uppers(netlink, link));
  GRIT_TRY(LinkConfig config, read_config(netlink, link));
  GRIT_CHECK(refuse_unsupported(name, config.routes));
  return config;
}

Result<std::optional<Link>> find_same_link(Netlink& netlink, const LinkIdentity& identity) {
  GRIT_TRY(const std::string boot, boot_id());
  GRIT_TRY(const std::string netns, netns_id());
  if (boot != identity.boot_id || netns != identity.netns) return std::nullopt;
  GRIT_TRY(std::optional<Link> link, netlink.find_link(identity.ifindex));
  if (!link || link->name != identity.name || link->mac != identity.mac) return std::nullopt;
  return link;
}

Result<std::vector<std::string>> link_config_differences(const LinkConfig& config) {
  GRIT_TRY(Netlink netlink, Netlink::open());
  GRIT_TRY(const auto link, find_same_link(netlink, config.identity));
  if (!link) return std::vector<std::string>{};
  GRIT_TRY(const LinkConfig now, read_config(netlink, *link));
  return link_config::differences(today(config), now);
}

Status restore_link_config(const LinkConfig& config) {
  GRIT_TRY(Netlink netlink, Netlink::open());
  GRIT_TRY(const auto link, find_same_link(netlink, config.identity));
  if (!link) return {};
  Status restored = restore_on(netlink, *link, today(config));
  if (!restored) {
    // It may have been deleted under our hands: then there is nothing left to put back.
    GRIT_TRY(const auto still_there, find_same_link(netlink, config.identity));
    if (!still_there) return {};
    return with_context(restored.error(), config.identity.name + " is not as it was");
  }
  GRIT_TRY(const auto differences, link_config_differences(config));
  if (differences.empty()) return {};
  return internal_error(fmt::format("{} is not as it was: {}", config.identity.name, fmt::join(differences, "; ")));
}

}  // namespace grit
