// What an interface loses when it goes down, kept and put back: for every fault that takes a link down.
//
// On Linux an administrative down/up loses IPv6 addresses (unless keep_addr_on_down is set), all routes through the
// interface but those the kernel makes for its addresses, and static neighbour entries. IPv4 addresses and MTU stay.
// What stands on it may go down as well (VLANs), or lose its carrier (macvlans, its bridge or bond): their
// configuration is kept and put back with its own. Everything here acts in the network namespace of the calling thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/json.hpp"
#include "harness/base/result.hpp"
#include "harness/os/netlink.hpp"
#include "harness/os/reverted.hpp"

namespace grit {

/// Which interface, of which namespace, of which boot. The kernel gives an index again only when asked to, so boot,
/// namespace and index name one interface. Its name and MAC may change under a fault: a bond takes its active port's
/// (fail_over_mac), NetworkManager draws new ones, a virtual function gets one with every reset.
struct LinkIdentity {
  std::string boot_id{};
  std::string netns{};  // netns_id()
  std::string name{};
  int ifindex = 0;
  std::string mac{};
  std::string permanent_mac{};  // Link::permanent_mac
  std::string bus_device{};     // Link::bus_device
};

struct LinkConfig {
  LinkIdentity identity{};
  bool up = false;                      // IFF_UP
  bool carrier = false;                 // it had one; no part of the configuration: comes back by itself, see uppers
  std::int64_t taken_s = 0;             // CLOCK_BOOTTIME: lifetimes below count from here
  std::vector<Address> addresses{};     // without temporary ones (RFC 8981), which the kernel makes anew
  std::vector<Route> routes{};          // without those the kernel derives from addresses (local, broadcast, multicast)
  std::vector<Neighbour> neighbours{};  // permanent ones
  std::map<std::string, std::int64_t> sysctls{};  // net.ipv6.conf.NAME.*; empty without IPv6
  /// Of a bond among the uppers: the port that carries its traffic, if the interface is (or stands under) that one.
  int bond_active = 0;
  /// What stands on it, in this network namespace, and on that in turn; nearest first, without uppers of their own. The
  /// carrier of its bridge, bond or VRF counts as none: when that comes back is up to their own protocols (STP, LACP).
  std::vector<LinkConfig> uppers{};
};

/// Takes the configuration of an interface; changes nothing.
/// Errors: usage, no such interface; unavailable, it or something on it has what could not be put back exactly
/// (multipath routes ...), with what it is and what to do.
Result<LinkConfig> read_link_config(const std::string& name);

/// The interface of this identity, whatever its name and MAC are now; empty when it provably no longer exists: another
/// boot, or its index is nobody's or that of other hardware. Errors (unavailable): it cannot be told whether an
/// interface is the one; it is of another network namespace than the calling thread's.
Result<std::optional<Link>> find_same_link(Netlink& netlink, const LinkIdentity& identity);

/// Sets the interface up (or down) as it was, and puts back what is missing: IPv6 settings, addresses, routes in the
/// order in which the kernel accepts them, neighbours. What others added meanwhile stays. Then the same with its
/// uppers, as far as they still stand on it. Idempotent. Does not wait for the carrier, which a real link gets seconds
/// after it is set up; what needs one (the active port of a bond) is put back by calling it again then. Waits up to 3 s
/// for IPv6 duplicate address detection where a route needs the address. An interface that is gone takes all of it
/// along. Error (internal): names every difference that remains.
Result<Reverted> restore_link_config(const LinkConfig& config);

/// What differs now from the configuration, one line each; empty when nothing does or the interface is gone. Without
/// the carrier, and what waits for it.
Result<std::vector<std::string>> link_config_differences(const LinkConfig& config);

/// The identity of an interface that is in the network namespace of the calling thread.
Result<LinkIdentity> link_identity(const Link& link);

Json to_json(const LinkIdentity& identity);
/// From a file, as link_config_from_json.
Result<LinkIdentity> link_identity_from_json(const Json& json);
Json to_json(const LinkConfig& config);
/// From a file, which may have been tampered with: closed set of keys, types and ranges, addresses parse.
/// Error (usage): what is wrong.
Result<LinkConfig> link_config_from_json(const Json& json);

}  // namespace grit
