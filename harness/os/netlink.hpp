// A thin typed adapter over rtnetlink(7): links, addresses, routes and permanent neighbours of one network namespace.
//
// It uses libnl for sockets and messages, but not the objects of libnl-route: those drop attributes that they do not
// know, and what is read here must be put back exactly. Every error carries the kernel's own words (extended acks).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/fd.hpp"
#include "harness/base/result.hpp"

struct nl_sock;

namespace grit {

/// The interface's own 64-bit counters (IFLA_STATS64), since it was made.
struct LinkTraffic {
  std::int64_t rx_bytes = 0;
  std::int64_t tx_bytes = 0;
  std::int64_t rx_packets = 0;
  std::int64_t tx_packets = 0;
  std::int64_t rx_dropped = 0;
  std::int64_t tx_dropped = 0;
  std::int64_t rx_missed = 0;  // the host did not take them from the NIC in time
};

/// Its error counters (IFLA_STATS64), since it was made. The kernel's names and meanings:
/// Documentation/networking/statistics.rst. rx_missed_errors is none: the host was too slow, it counts as a drop.
struct LinkErrors {
  static constexpr std::array<std::string_view, 12> kNames{"rx_errors",      "tx_errors",           "rx_length_errors",
                                                           "rx_over_errors", "rx_crc_errors",       "rx_frame_errors",
                                                           "rx_fifo_errors", "tx_aborted_errors",   "tx_carrier_errors",
                                                           "tx_fifo_errors", "tx_heartbeat_errors", "tx_window_errors"};
  std::array<std::int64_t, kNames.size()> counts{};
};

/// One network interface as RTM_NEWLINK describes it.
struct Link {
  int ifindex = 0;
  std::string name{};
  std::uint32_t flags = 0;  // IFF_*, netdevice(7)
  std::string operstate{};  // "up", "down", "lowerlayerdown" ..., RFC 2863
  bool carrier = false;
  std::uint32_t carrier_changes = 0;  // up and down together
  std::uint32_t carrier_up_count = 0;
  std::uint32_t carrier_down_count = 0;
  std::int64_t mtu_bytes = 0;
  std::string mac{};                  // "02:00:00:00:00:01"; empty when it has none
  std::string permanent_mac{};        // the hardware's own, whatever is set; empty when it has none (veth, bond)
  std::string bus_device{};           // "0000:3b:00.0"; empty when it has none, or before Linux 5.14
  std::string kind{};                 // "veth", "bridge" ...; empty for hardware
  int link_ifindex = 0;               // IFLA_LINK: a veth's peer, a VLAN's lower device; 0: none
  std::optional<int> link_netnsid{};  // IFLA_LINK_NETNSID: link_ifindex lives in another namespace
  int master_ifindex = 0;             // its bridge, bond or VRF; 0: none
  LinkTraffic traffic{};
  LinkErrors errors{};

  [[nodiscard]] bool up() const;       // IFF_UP: administratively up
  [[nodiscard]] bool running() const;  // IFF_RUNNING
};

/// One address. `local` is the interface's own; `peer` the other end's, empty on a broadcast link.
struct Address {
  int family = 0;  // AF_INET, AF_INET6
  int ifindex = 0;
  std::string local{};
  std::string peer{};
  int prefix = 0;           // length in bits; of the peer when there is one
  std::string broadcast{};  // IPv4
  std::string label{};      // IPv4
  std::uint32_t flags = 0;  // IFA_F_*
  int scope = 0;            // RT_SCOPE_*
  std::uint32_t valid_s = kForever;
  std::uint32_t preferred_s = kForever;
  std::uint32_t metric = 0;  // of the connected route; 0: the kernel's default
  int protocol = 0;          // IFAPROT_*: who made it; 0: nobody said

  static constexpr std::uint32_t kForever = 0xffffffff;
  bool operator==(const Address&) const = default;
};

/// One unicast, local, broadcast ... route through one interface.
struct Route {
  int family = 0;
  int ifindex = 0;
  std::string destination{};  // empty: the default route (prefix 0)
  int prefix = 0;
  std::string gateway{};
  std::string source{};  // the preferred source address
  std::uint32_t metric = 0;
  std::uint32_t table = 0;
  int scope = 0;     // RT_SCOPE_*
  int protocol = 0;  // RTPROT_*
  int type = 0;      // RTN_*
  int tos = 0;
  bool onlink = false;
  int preference = 0;                      // IPv6 router preference, RFC 4191
  std::uint32_t expires_s = 0;             // 0: never
  std::map<int, std::uint32_t> metrics{};  // RTAX_*: mtu, initcwnd ...
  /// What of it the fields above do not hold ("multipath"); add_route() refuses such a route rather than losing it.
  std::string unsupported{};
  std::vector<int> multipath_ifindexes{};

  bool operator==(const Route&) const = default;
};

/// A neighbour (ARP, NDP) entry.
struct Neighbour {
  int family = 0;
  int ifindex = 0;
  std::string address{};
  std::string mac{};
  int state = 0;  // NUD_*
  int flags = 0;  // NTF_*
  int type = 0;   // RTN_*

  bool operator==(const Neighbour&) const = default;
};

/// One end of a veth pair, and where it shall live: in netns_fd's network namespace, or pid's, or (neither) the
/// socket's.
struct VethEnd {
  std::string name{};
  std::string mac{};  // empty: the kernel picks one
  int netns_fd = -1;
  int pid = 0;
};

/// One rtnetlink socket; it stays in the network namespace in which it was opened. Not for two threads at a time.
/// Errors of changes: unavailable when CAP_NET_ADMIN is missing, internal otherwise, with the kernel's reason.
class Netlink {
 public:
  /// In the network namespace of the calling thread.
  static Result<Netlink> open();
  /// In another one, given a descriptor of its /proc/PID/ns/net or of a bind mount of it. The caller stays where it is.
  /// Error (unavailable): no CAP_SYS_ADMIN over that namespace.
  static Result<Netlink> open_in(int netns_fd);

  [[nodiscard]] Result<std::vector<Link>> links();
  /// Empty: there is no such interface.
  [[nodiscard]] Result<std::optional<Link>> find_link(const std::string& name);
  [[nodiscard]] Result<std::optional<Link>> find_link(int ifindex);
  /// Error (usage): there is no such interface; names those there are.
  [[nodiscard]] Result<Link> link(const std::string& name);

  Status set_up(int ifindex);
  Status set_down(int ifindex);
  Status set_mtu(int ifindex, std::int64_t mtu_bytes);
  Status set_mac(int ifindex, const std::string& mac);
  /// master_ifindex 0: out of its bridge.
  Status set_master(int ifindex, int master_ifindex);
  Status rename(int ifindex, const std::string& name);
  Status move_to_netns(int ifindex, int netns_fd);
  Status create_veth(const VethEnd& one, const VethEnd& other);
  Status create_bridge(const std::string& name);
  Status remove_link(int ifindex);

  /// Of one interface; ifindex 0: of all.
  [[nodiscard]] Result<std::vector<Address>> addresses(int ifindex);
  Status add_address(const Address& address);
  /// "10.77.1.1/24" or "fd00::1/64". IPv4: with the subnet's broadcast address, as ip-address(8) does with `brd +`.
  Status add_address(int ifindex, const std::string& address_and_prefix);
  Status remove_address(const Address& address);

  /// Of one interface, in all tables, IPv4 and IPv6, without cached clones; ifindex 0: of all.
  [[nodiscard]] Result<std::vector<Route>> routes(int ifindex);
  Status add_route(const Route& route);
  Status remove_route(const Route& route);

  /// Entries made by hand (NUD_PERMANENT) of one interface, which the kernel forgets when the interface goes down.
  [[nodiscard]] Result<std::vector<Neighbour>> permanent_neighbours(int ifindex);
  Status add_neighbour(const Neighbour& neighbour);

 private:
  struct SocketDeleter {
    void operator()(nl_sock* socket) const;
  };
  explicit Netlink(nl_sock* socket) : socket_(socket) {}
  Status change_flags(int ifindex, std::uint32_t flags, std::uint32_t mask);

  std::unique_ptr<nl_sock, SocketDeleter> socket_;
};

/// What the kernel said about a link, and when we heard it.
struct LinkEvent {
  std::int64_t t_ns = 0;  // CLOCK_MONOTONIC at receipt
  int ifindex = 0;
  std::string name{};
  bool up = false;        // IFF_UP
  bool running = false;   // IFF_RUNNING
  bool lower_up = false;  // IFF_LOWER_UP
  bool removed = false;   // RTM_DELLINK
  std::string operstate{};
  bool carrier = false;
};

/// The kernel's own link notifications (RTNLGRP_LINK) of the network namespace in which it was opened.
class LinkMonitor {
 public:
  static Result<LinkMonitor> open();
  /// Becomes readable when there are notifications.
  [[nodiscard]] int descriptor() const;
  /// All that are pending, oldest first; never blocks.
  Result<std::vector<LinkEvent>> drain();

 private:
  struct SocketDeleter {
    void operator()(nl_sock* socket) const;
  };
  explicit LinkMonitor(nl_sock* socket) : socket_(socket) {}
  std::unique_ptr<nl_sock, SocketDeleter> socket_;
};

}  // namespace grit
