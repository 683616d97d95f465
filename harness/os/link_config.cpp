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
#include "harness/os/link_uppers.hpp"
#include "harness/os/netlink_bond.hpp"

namespace grit {
namespace {

/// The kernel tells of a carrier once a second at most (linkwatch, net/core/link_watch.c); a bond looks every `miimon`.
constexpr std::int64_t kCarrierNews_ns = 2 * kNsPerS;
constexpr std::int64_t kDadWait_ns = 3 * kNsPerS;  // RFC 4862: a random delay of up to 1 s, then 1 s per probe
constexpr auto kPollInterval = std::chrono::milliseconds(10);

std::int64_t boottime_s() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_sec;
}

Status refuse_unsupported(const LinkConfig& config) {
  for (const Route& route : config.routes) {
    if (route.unsupported.empty()) continue;
    return unavailable_error(fmt::format(
        "{} has {} with {}, which could not be put back exactly after it went down. Replace it by a plain route, or "
        "name another NIC",
        config.identity.name, link_config::describe(route), route.unsupported));
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

/// The labels that the kernel has given to the addresses when it renamed the interface, which follow no rule that could
/// be relied on (inetdev_changename() in net/ipv4/devinet.c).
void take_over_labels(std::vector<Address>& wanted, const LinkConfig& now) {
  for (Address& address : wanted) {
    const auto same = std::find_if(now.addresses.begin(), now.addresses.end(), [&](const Address& one) {
      return one.local == address.local && one.prefix == address.prefix && one.peer == address.peer;
    });
    if (!address.label.empty()) address.label = same == now.addresses.end() ? now.identity.name : same->label;
  }
}

/// The configuration as it would be now had nothing happened but time, and perhaps that it was renamed.
LinkConfig today(LinkConfig config, const LinkConfig& now) {
  if (now.identity.name != config.identity.name) take_over_labels(config.addresses, now);
  const std::int64_t elapsed_s = std::max<std::int64_t>(0, boottime_s() - config.taken_s);
  config.addresses = all_aged(config.addresses, elapsed_s);
  config.routes = all_aged(config.routes, elapsed_s);
  return config;
}

Result<LinkConfig> read_config(Netlink& netlink, const Link& link) {
  LinkConfig config;
  GRIT_TRY(config.identity, link_identity(link));
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

/// With a carrier, IPv6 starts only when the kernel has told of it. Without one there is nothing to wait for: the
/// hardware may need many seconds.
Status wait_for_carrier_news(Netlink& netlink, int ifindex) {
  const std::int64_t deadline_ns = monotonic_ns() + kCarrierNews_ns;
  for (;;) {
    GRIT_TRY(const auto link, netlink.find_link(ifindex));
    if (!link || !link->carrier || link->running() || monotonic_ns() > deadline_ns) return {};
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
Status restore_routes(Netlink& netlink, int ifindex, const LinkConfig& wanted) {
  const std::int64_t deadline = monotonic_ns() + kDadWait_ns;
  for (std::size_t fewest = SIZE_MAX;;) {
    GRIT_TRY(const auto link, netlink.find_link(ifindex));
    if (!link) return {};  // deleted meanwhile
    GRIT_TRY(const LinkConfig now, read_config(netlink, *link));
    const auto missing = link_config::missing_routes(wanted, now);
    if (std::all_of(missing.begin(), missing.end(),
                    [&](const Route& route) { return link_config::waits_for_carrier(route, now); }))
      return {};
    Status last;
    for (const Route& route : missing)
      if (Status added = netlink.add_route(route); !added) last = std::move(added);
    if (last) return {};
    // A route that the kernel took is no progress by itself: where another like it is there, it is missing still.
    if (missing.size() < fewest) {
      fewest = missing.size();
      continue;
    }
    const bool detecting = std::any_of(now.addresses.begin(), now.addresses.end(),
                                       [](const Address& address) { return (address.flags & IFA_F_TENTATIVE) != 0; });
    if (!detecting || monotonic_ns() > deadline) return last;
    std::this_thread::sleep_for(kPollInterval);
  }
}

/// Sets it up before it reads anything of it: a table that cannot be read must not keep a link down.
Status restore_on(Netlink& netlink, const Link& link, const LinkConfig& config) {
  if (link.up() != config.up) GRIT_CHECK(config.up ? netlink.set_up(link.ifindex) : netlink.set_down(link.ifindex));
  if (config.up) GRIT_CHECK(wait_for_carrier_news(netlink, link.ifindex));
  GRIT_CHECK(write_link_sysctls(link.name, config.sysctls));
  GRIT_TRY(const LinkConfig now, read_config(netlink, link));
  const LinkConfig wanted = today(config, now);
  for (const Address& address : link_config::missing_addresses(wanted, now)) GRIT_CHECK(netlink.add_address(address));
  GRIT_CHECK(restore_routes(netlink, link.ifindex, wanted));
  for (const Neighbour& neighbour : link_config::missing_neighbours(wanted, now))
    GRIT_CHECK(netlink.add_neighbour(neighbour));
  return remove_unasked(netlink, link, wanted);
}

/// Whether a bond's active port is another than it was, though that one could be it again: it has a carrier.
Result<bool> lacks_active_port(Netlink& netlink, const LinkConfig& bond) {
  if (bond.bond_active == 0) return false;
  GRIT_TRY(const int now, bond_active_port(bond.identity.ifindex));
  GRIT_TRY(const auto port, netlink.find_link(bond.bond_active));
  return now != bond.bond_active && port && port->carrier;
}

/// A bond has chosen another port when this one went down, and stays with it (unless it is its primary one). It learns
/// of a carrier only every `miimon` milliseconds.
Status restore_active_port(Netlink& netlink, const LinkConfig& bond) {
  const std::int64_t deadline_ns = monotonic_ns() + kCarrierNews_ns;
  for (;;) {
    GRIT_TRY(const bool lacks, lacks_active_port(netlink, bond));
    if (!lacks) return {};
    const Status set = set_bond_active_port(bond.identity.ifindex, bond.bond_active);
    if (!set && monotonic_ns() > deadline_ns) return set;
    if (!set) std::this_thread::sleep_for(kPollInterval);
  }
}

/// Of one interface, without its uppers. An interface that is gone is as it should be.
Result<std::vector<std::string>> own_differences(Netlink& netlink, const LinkConfig& config) {
  GRIT_TRY(const auto link, find_same_link(netlink, config.identity));
  if (!link) return std::vector<std::string>{};
  GRIT_TRY(const LinkConfig now, read_config(netlink, *link));
  auto lines = link_config::differences(today(config, now), now);
  GRIT_TRY(const bool other_port, lacks_active_port(netlink, config));
  if (other_port) lines.push_back("another port is the active one");
  return lines;
}

/// Of one interface, without its uppers.
Result<Reverted> restore_own(Netlink& netlink, const LinkConfig& config) {
  GRIT_TRY(const auto link, find_same_link(netlink, config.identity));
  if (!link) return Reverted::gone;
  Status restored = restore_on(netlink, *link, config);
  if (restored) restored = restore_active_port(netlink, config);
  if (restored) return Reverted::put_back;
  // It may have been deleted under our hands: then there is nothing left to put back.
  GRIT_TRY(const auto still_there, find_same_link(netlink, config.identity));
  if (!still_there) return Reverted::gone;
  return with_context(restored.error(), config.identity.name + " is not as it was");
}

/// Those of the record that still stand on the interface: one that was taken off it meanwhile is no longer our
/// business.
Result<std::vector<LinkConfig>> uppers_still_on(Netlink& netlink, const LinkConfig& config) {
  std::vector<LinkConfig> uppers;
  GRIT_TRY(const auto all, netlink.links());
  const auto now = link_uppers(all, config.identity.ifindex);
  for (const LinkConfig& upper : config.uppers)
    if (std::any_of(now.begin(), now.end(),
                    [&](const UpperLink& one) { return one.link.ifindex == upper.identity.ifindex; }))
      uppers.push_back(upper);
  return uppers;
}

/// A bond's active port, if it is the interface or one of those that stand on it.
Result<int> active_port_among(const Link& bond, const Link& interface, const std::vector<LinkConfig>& uppers) {
  if (bond.kind != "bond") return 0;
  GRIT_TRY(const int port, bond_active_port(bond.ifindex));
  const bool ours = port == interface.ifindex || std::any_of(uppers.begin(), uppers.end(), [&](const LinkConfig& one) {
                      return one.identity.ifindex == port;
                    });
  return ours ? port : 0;
}

}  // namespace

Result<LinkConfig> read_link_config(const std::string& name) {
  GRIT_TRY(Netlink netlink, Netlink::open());
  GRIT_TRY(const Link link, netlink.link(name));
  GRIT_TRY(LinkConfig config, read_config(netlink, link));
  GRIT_CHECK(refuse_unsupported(config));
  GRIT_TRY(const auto all, netlink.links());
  for (const UpperLink& upper : link_uppers(all, link.ifindex)) {
    GRIT_TRY(LinkConfig of_upper, read_config(netlink, upper.link));
    if (upper.by_master) of_upper.carrier = false;
    GRIT_TRY(of_upper.bond_active, active_port_among(upper.link, link, config.uppers));
    if (upper.goes_down) GRIT_CHECK(refuse_unsupported(of_upper));
    config.uppers.push_back(std::move(of_upper));
  }
  return config;
}

Result<LinkIdentity> link_identity(const Link& link) {
  LinkIdentity identity;
  GRIT_TRY(identity.boot_id, boot_id());
  GRIT_TRY(identity.netns, netns_id());
  identity.name = link.name;
  identity.ifindex = link.ifindex;
  identity.mac = link.mac;
  identity.permanent_mac = link.permanent_mac;
  identity.bus_device = link.bus_device;
  return identity;
}

Result<std::optional<Link>> find_same_link(Netlink& netlink, const LinkIdentity& identity) {
  GRIT_TRY(const std::string boot, boot_id());
  GRIT_TRY(const std::string netns, netns_id());
  if (boot != identity.boot_id) return std::nullopt;
  if (netns != identity.netns)
    return unavailable_error(identity.name + " is of another network namespace, and can only be reverted there");
  GRIT_TRY(std::optional<Link> link, netlink.find_link(identity.ifindex));
  if (!link) return std::nullopt;
  const auto same = link_config::is_same(identity, *link);
  if (same && *same) return link;
  if (same) return std::nullopt;  // it was removed, and other hardware has its index
  return unavailable_error(fmt::format(
      "interface {} was {} ({}) and is {} ({}) now: it cannot be told whether it is the same one. Put it in order by "
      "hand",
      identity.ifindex, identity.name, identity.mac, link->name, link->mac));
}

Result<std::vector<std::string>> link_config_differences(const LinkConfig& config) {
  GRIT_TRY(Netlink netlink, Netlink::open());
  GRIT_TRY(const auto link, find_same_link(netlink, config.identity));
  if (!link) return std::vector<std::string>{};
  GRIT_TRY(std::vector<std::string> lines, own_differences(netlink, config));
  GRIT_TRY(const auto uppers, uppers_still_on(netlink, config));
  for (const LinkConfig& upper : uppers) {
    GRIT_TRY(const auto more, own_differences(netlink, upper));
    for (const std::string& line : more) lines.push_back(fmt::format("on {}: {}", upper.identity.name, line));
  }
  return lines;
}

Result<Reverted> restore_link_config(const LinkConfig& config) {
  GRIT_TRY(Netlink netlink, Netlink::open());
  const auto own = restore_own(netlink, config);
  if (own && *own == Reverted::gone) return own;
  GRIT_TRY(const auto uppers, uppers_still_on(netlink, config));
  Status first;
  if (!own) first = tl::make_unexpected(own.error());
  for (const LinkConfig& upper : uppers)
    if (auto restored = restore_own(netlink, upper); !restored && first)
      first = tl::make_unexpected(std::move(restored).error());
  GRIT_CHECK(first);
  GRIT_TRY(const auto differences, link_config_differences(config));
  if (differences.empty()) return Reverted::put_back;
  return internal_error(fmt::format("{} is not as it was: {}", config.identity.name, fmt::join(differences, "; ")));
}

}  // namespace grit
