// Links: reading, changing, making. Addresses and neighbours are in netlink_address.cpp, routes in netlink_route.cpp.
#include "harness/os/netlink.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/if_link.h>
#include <linux/veth.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include <algorithm>
#include <cstring>

#include "harness/os/netlink_link.hpp"
#include "harness/os/netlink_message.hpp"
#include "harness/os/netns.hpp"

namespace grit {

using rtnl::Attributes;
using rtnl::Message;

namespace {

/// The kernel's names of RFC 2863 states, as in /sys/class/net/X/operstate.
std::string operstate_name(std::uint8_t state) {
  constexpr const char* kNames[] = {"unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up"};
  return state < std::size(kNames) ? kNames[state] : fmt::format("state {}", state);
}

/// Longer in newer kernels, shorter in older ones, the head is the same.
rtnl_link_stats64 parse_stats(std::string_view bytes) {
  rtnl_link_stats64 stats{};
  std::memcpy(&stats, bytes.data(), std::min(bytes.size(), sizeof stats));
  return stats;
}

std::int64_t number(__u64 value) { return static_cast<std::int64_t>(value); }

LinkErrors parse_errors(const rtnl_link_stats64& stats) {
  return {{number(stats.rx_errors), number(stats.tx_errors), number(stats.rx_length_errors),
           number(stats.rx_over_errors), number(stats.rx_crc_errors), number(stats.rx_frame_errors),
           number(stats.rx_fifo_errors), number(stats.tx_aborted_errors), number(stats.tx_carrier_errors),
           number(stats.tx_fifo_errors), number(stats.tx_heartbeat_errors), number(stats.tx_window_errors)}};
}

LinkTraffic parse_traffic(const rtnl_link_stats64& stats) {
  return {.rx_bytes = number(stats.rx_bytes),
          .tx_bytes = number(stats.tx_bytes),
          .rx_packets = number(stats.rx_packets),
          .tx_packets = number(stats.tx_packets),
          .rx_dropped = number(stats.rx_dropped),
          .tx_dropped = number(stats.tx_dropped),
          .rx_missed = number(stats.rx_missed_errors)};
}

ifinfomsg link_header(int ifindex) {
  ifinfomsg header{};
  header.ifi_family = AF_UNSPEC;
  header.ifi_index = ifindex;
  return header;
}

Status check_interface_name(const std::string& name) {
  if (name.empty() || name.size() >= IFNAMSIZ || name.find('/') != std::string::npos)
    return usage_error(
        fmt::format("'{}' is not an interface name: 1 to {} characters without '/'", name, IFNAMSIZ - 1));
  return {};
}

void put_netns(Message& message, const VethEnd& end) {
  if (end.netns_fd >= 0) message.u32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(end.netns_fd));
  if (end.pid > 0) message.u32(IFLA_NET_NS_PID, static_cast<std::uint32_t>(end.pid));
}

}  // namespace

namespace rtnl {

Link parse_link(const nlmsghdr& message) {
  const auto& header = *static_cast<const ifinfomsg*>(nlmsg_data(&message));
  const Attributes attributes(message, sizeof header);
  Link link;
  link.ifindex = header.ifi_index;
  link.flags = header.ifi_flags;
  link.name = attributes.text(IFLA_IFNAME);
  link.operstate = operstate_name(attributes.u8(IFLA_OPERSTATE));
  link.carrier = attributes.u8(IFLA_CARRIER) != 0;
  link.carrier_changes = attributes.u32(IFLA_CARRIER_CHANGES);
  link.carrier_up_count = attributes.u32(IFLA_CARRIER_UP_COUNT);
  link.carrier_down_count = attributes.u32(IFLA_CARRIER_DOWN_COUNT);
  link.mtu_bytes = attributes.u32(IFLA_MTU);
  link.mac = attributes.mac(IFLA_ADDRESS);
  link.permanent_mac = attributes.mac(IFLA_PERM_ADDRESS);
  link.bus_device = attributes.text(IFLA_PARENT_DEV_NAME);
  link.link_ifindex = static_cast<int>(attributes.u32(IFLA_LINK));
  link.master_ifindex = static_cast<int>(attributes.u32(IFLA_MASTER));
  const rtnl_link_stats64 stats = parse_stats(attributes.bytes(IFLA_STATS64));
  link.traffic = parse_traffic(stats);
  link.errors = parse_errors(stats);
  if (attributes.has(IFLA_LINK_NETNSID)) link.link_netnsid = static_cast<int>(attributes.u32(IFLA_LINK_NETNSID));
  if (const nlattr* info = attributes.find(IFLA_LINKINFO))
    link.kind = Attributes(static_cast<const nlattr*>(nla_data(info)), nla_len(info)).text(IFLA_INFO_KIND);
  return link;
}

}  // namespace rtnl

bool Link::up() const { return (flags & IFF_UP) != 0; }
bool Link::running() const { return (flags & IFF_RUNNING) != 0; }

void Netlink::SocketDeleter::operator()(nl_sock* socket) const { nl_socket_free(socket); }

Result<Netlink> Netlink::open() {
  GRIT_TRY(nl_sock* const socket, rtnl::open_socket());
  return Netlink(socket);
}

Result<Netlink> Netlink::open_in(int netns_fd) {
  Result<Netlink> opened = internal_error("not opened");
  GRIT_CHECK(run_in_netns(netns_fd, [&]() -> Status {
    opened = open();
    return {};
  }));
  return opened;
}

Result<std::vector<Link>> Netlink::links() {
  std::vector<Link> found;
  Message request(RTM_GETLINK, NLM_F_DUMP);
  request.header(link_header(0));
  const auto receive = [&](const nlmsghdr& message) {
    if (message.nlmsg_type == RTM_NEWLINK) found.push_back(rtnl::parse_link(message));
  };
  if (auto done = rtnl::exchange(socket_.get(), request, receive, [&] { found.clear(); }); !done)
    return Failure(rtnl::to_error(done.error(), "cannot list the network interfaces"));
  return found;
}

Result<std::optional<Link>> Netlink::find_link(int ifindex) {
  std::optional<Link> found;
  Message request(RTM_GETLINK, 0);
  request.header(link_header(ifindex));
  auto done =
      rtnl::exchange(socket_.get(), request, [&](const nlmsghdr& message) { found = rtnl::parse_link(message); });
  if (!done && done.error().error_number != ENODEV)
    return Failure(rtnl::to_error(done.error(), fmt::format("cannot read interface {}", ifindex)));
  return found;
}

Result<std::optional<Link>> Netlink::find_link(const std::string& name) {
  GRIT_CHECK(check_interface_name(name));
  std::optional<Link> found;
  Message request(RTM_GETLINK, 0);
  request.header(link_header(0)).text(IFLA_IFNAME, name);
  auto done =
      rtnl::exchange(socket_.get(), request, [&](const nlmsghdr& message) { found = rtnl::parse_link(message); });
  if (!done && done.error().error_number != ENODEV)
    return Failure(rtnl::to_error(done.error(), "cannot read interface " + name));
  return found;
}

Result<Link> Netlink::link(const std::string& name) {
  GRIT_TRY(auto found, find_link(name));
  if (found) return *found;
  GRIT_TRY(const auto all, links());
  std::vector<std::string> names;
  for (const Link& link : all) names.push_back(link.name);
  return usage_error(fmt::format("there is no interface {} here; there are: {}", name, fmt::join(names, ", ")));
}

Status Netlink::change_flags(int ifindex, std::uint32_t flags, std::uint32_t mask) {
  ifinfomsg header = link_header(ifindex);
  header.ifi_flags = flags;
  header.ifi_change = mask;
  Message request(RTM_NEWLINK, 0);
  request.header(header);
  return rtnl::change(socket_.get(), request,
                      fmt::format("cannot set interface {} {}", ifindex, (flags & IFF_UP) != 0 ? "up" : "down"));
}

Status Netlink::set_up(int ifindex) { return change_flags(ifindex, IFF_UP, IFF_UP); }
Status Netlink::set_down(int ifindex) { return change_flags(ifindex, 0, IFF_UP); }

Status Netlink::set_mtu(int ifindex, std::int64_t mtu_bytes) {
  Message request(RTM_NEWLINK, 0);
  request.header(link_header(ifindex)).u32(IFLA_MTU, static_cast<std::uint32_t>(mtu_bytes));
  return rtnl::change(socket_.get(), request,
                      fmt::format("cannot set the MTU of interface {} to {}", ifindex, mtu_bytes));
}

Status Netlink::set_mac(int ifindex, const std::string& mac) {
  GRIT_TRY(const std::string bytes, rtnl::mac_bytes(mac));
  Message request(RTM_NEWLINK, 0);
  request.header(link_header(ifindex)).bytes(IFLA_ADDRESS, bytes);
  return rtnl::change(socket_.get(), request,
                      fmt::format("cannot set the MAC address of interface {} to {}", ifindex, mac));
}

Status Netlink::set_master(int ifindex, int master_ifindex) {
  Message request(RTM_NEWLINK, 0);
  request.header(link_header(ifindex)).u32(IFLA_MASTER, static_cast<std::uint32_t>(master_ifindex));
  return rtnl::change(socket_.get(), request, fmt::format("cannot put interface {} under {}", ifindex, master_ifindex));
}

Status Netlink::rename(int ifindex, const std::string& name) {
  GRIT_CHECK(check_interface_name(name));
  Message request(RTM_NEWLINK, 0);
  request.header(link_header(ifindex)).text(IFLA_IFNAME, name);
  return rtnl::change(socket_.get(), request, fmt::format("cannot rename interface {} to {}", ifindex, name));
}

Status Netlink::move_to_netns(int ifindex, int netns_fd) {
  Message request(RTM_NEWLINK, 0);
  request.header(link_header(ifindex)).u32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(netns_fd));
  return rtnl::change(socket_.get(), request,
                      fmt::format("cannot move interface {} to another network namespace", ifindex));
}

Status Netlink::create_veth(const VethEnd& one, const VethEnd& other) {
  std::string mac, other_mac;
  for (const auto& [end, bytes] : {std::pair{&one, &mac}, std::pair{&other, &other_mac}}) {
    GRIT_CHECK(check_interface_name(end->name));
    if (end->mac.empty()) continue;
    GRIT_TRY(*bytes, rtnl::mac_bytes(end->mac));
  }
  Message request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  request.header(link_header(0)).text(IFLA_IFNAME, one.name);
  if (!mac.empty()) request.bytes(IFLA_ADDRESS, mac);
  put_netns(request, one);
  request.nest(IFLA_LINKINFO, [&](Message& info) {
    info.text(IFLA_INFO_KIND, "veth").nest(IFLA_INFO_DATA, [&](Message& data) {
      data.nest(VETH_INFO_PEER, [&](Message& peer) {
        peer.header(link_header(0)).text(IFLA_IFNAME, other.name);
        if (!other_mac.empty()) peer.bytes(IFLA_ADDRESS, other_mac);
        put_netns(peer, other);
      });
    });
  });
  return rtnl::change(socket_.get(), request,
                      fmt::format("cannot create the veth pair {} and {}", one.name, other.name));
}

Status Netlink::create_bridge(const std::string& name) {
  GRIT_CHECK(check_interface_name(name));
  Message request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  request.header(link_header(0)).text(IFLA_IFNAME, name);
  request.nest(IFLA_LINKINFO, [](Message& info) { info.text(IFLA_INFO_KIND, "bridge"); });
  return rtnl::change(socket_.get(), request, "cannot create the bridge " + name);
}

Status Netlink::remove_link(int ifindex) {
  Message request(RTM_DELLINK, 0);
  request.header(link_header(ifindex));
  return rtnl::change(socket_.get(), request, fmt::format("cannot delete interface {}", ifindex));
}

}  // namespace grit
