// Addresses and permanent neighbours.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include <algorithm>
#include <charconv>

#include "harness/os/netlink.hpp"
#include "harness/os/netlink_message.hpp"

namespace grit {

using rtnl::Attributes;
using rtnl::Message;

namespace {

constexpr int kIfaProto = 11;  // IFA_PROTO, Linux 5.18; older headers lack it

Address parse_address(const nlmsghdr& message) {
  const auto& header = *static_cast<const ifaddrmsg*>(nlmsg_data(&message));
  const Attributes attributes(message, sizeof header);
  Address address;
  address.family = header.ifa_family;
  address.ifindex = static_cast<int>(header.ifa_index);
  address.prefix = header.ifa_prefixlen;
  address.scope = header.ifa_scope;
  address.flags = attributes.has(IFA_FLAGS) ? attributes.u32(IFA_FLAGS) : header.ifa_flags;
  // IFA_ADDRESS is the other end's address on a point-to-point link and else the interface's own (linux/if_addr.h).
  const std::string own = attributes.ip(address.family, IFA_LOCAL);
  const std::string peer = attributes.ip(address.family, IFA_ADDRESS);
  address.local = own.empty() ? peer : own;
  if (peer != address.local) address.peer = peer;
  address.broadcast = attributes.ip(address.family, IFA_BROADCAST);
  address.label = attributes.text(IFA_LABEL);
  address.metric = attributes.u32(IFA_RT_PRIORITY);
  address.protocol = attributes.u8(kIfaProto);
  if (const auto raw = attributes.bytes(IFA_CACHEINFO); raw.size() >= sizeof(ifa_cacheinfo)) {
    ifa_cacheinfo lifetimes{};
    std::copy_n(raw.data(), sizeof lifetimes, reinterpret_cast<char*>(&lifetimes));
    address.valid_s = lifetimes.ifa_valid;
    address.preferred_s = lifetimes.ifa_prefered;
  }
  return address;
}

/// The request that names one address, for adding and removing.
Result<Message> address_request(int type, int flags, const Address& address) {
  GRIT_TRY(const std::string local, rtnl::ip_bytes(address.family, address.local));
  std::string peer = local;
  if (!address.peer.empty()) {
    GRIT_TRY(peer, rtnl::ip_bytes(address.family, address.peer));
  }
  ifaddrmsg header{};
  header.ifa_family = static_cast<std::uint8_t>(address.family);
  header.ifa_prefixlen = static_cast<std::uint8_t>(address.prefix);
  header.ifa_scope = static_cast<std::uint8_t>(address.scope);
  header.ifa_index = static_cast<std::uint32_t>(address.ifindex);
  Message request(type, flags);
  request.header(header).bytes(IFA_LOCAL, local).bytes(IFA_ADDRESS, peer);
  return request;
}

Neighbour parse_neighbour(const nlmsghdr& message) {
  const auto& header = *static_cast<const ndmsg*>(nlmsg_data(&message));
  const Attributes attributes(message, sizeof header);
  Neighbour neighbour;
  neighbour.family = header.ndm_family;
  neighbour.ifindex = header.ndm_ifindex;
  neighbour.state = header.ndm_state;
  neighbour.flags = header.ndm_flags;
  neighbour.type = header.ndm_type;
  neighbour.address = attributes.ip(neighbour.family, NDA_DST);
  neighbour.mac = attributes.mac(NDA_LLADDR);
  return neighbour;
}

}  // namespace

Result<std::vector<Address>> Netlink::addresses(int ifindex) {
  std::vector<Address> found;
  Message request(RTM_GETADDR, NLM_F_DUMP);
  request.header(ifaddrmsg{});
  const auto receive = [&](const nlmsghdr& message) {
    if (message.nlmsg_type != RTM_NEWADDR) return;
    Address address = parse_address(message);
    const bool known_family = address.family == AF_INET || address.family == AF_INET6;
    if (known_family && (ifindex == 0 || address.ifindex == ifindex)) found.push_back(std::move(address));
  };
  if (auto done = rtnl::exchange(socket_.get(), request, receive, [&] { found.clear(); }); !done)
    return Failure(rtnl::to_error(done.error(), "cannot list addresses"));
  return found;
}

Status Netlink::add_address(const Address& address) {
  // The kernel sets the other flags itself and refuses or ignores them in a request (inet6_rtm_newaddr()).
  constexpr std::uint32_t kSettable = IFA_F_NODAD | IFA_F_OPTIMISTIC | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR |
                                      IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN;
  GRIT_TRY(Message request, address_request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, address));
  if (!address.broadcast.empty()) {
    GRIT_TRY(const std::string broadcast, rtnl::ip_bytes(address.family, address.broadcast));
    request.bytes(IFA_BROADCAST, broadcast);
  }
  if (!address.label.empty()) request.text(IFA_LABEL, address.label);
  if (address.metric != 0) request.u32(IFA_RT_PRIORITY, address.metric);
  if (address.protocol != 0) request.u8(kIfaProto, static_cast<std::uint8_t>(address.protocol));
  request.u32(IFA_FLAGS, address.flags & kSettable);
  ifa_cacheinfo lifetimes{};
  lifetimes.ifa_valid = address.valid_s;
  lifetimes.ifa_prefered = address.preferred_s;
  request.bytes(IFA_CACHEINFO, {reinterpret_cast<const char*>(&lifetimes), sizeof lifetimes});
  if (auto done = rtnl::exchange(socket_.get(), request); !done)
    return Failure(rtnl::to_error(done.error(), fmt::format("cannot add address {}/{} to interface {}", address.local,
                                                            address.prefix, address.ifindex)));
  return {};
}

Status Netlink::add_address(int ifindex, const std::string& address_and_prefix) {
  const auto wrong = [&] {
    return usage_error(fmt::format("'{}' is not an address such as 10.77.1.1/24", address_and_prefix));
  };
  const std::size_t slash = address_and_prefix.find('/');
  if (slash == std::string::npos) return wrong();
  Address address;
  address.ifindex = ifindex;
  address.local = address_and_prefix.substr(0, slash);
  address.family = address.local.find(':') == std::string::npos ? AF_INET : AF_INET6;
  const char* const end = address_and_prefix.data() + address_and_prefix.size();
  const auto parsed = std::from_chars(address_and_prefix.data() + slash + 1, end, address.prefix);
  if (parsed.ec != std::errc{} || parsed.ptr != end || address.prefix < 0 ||
      address.prefix > (address.family == AF_INET ? 32 : 128))
    return wrong();
  if (address.family == AF_INET && address.prefix < 31) {  // RFC 3021: /31 has no broadcast address
    in_addr own{};
    if (::inet_pton(AF_INET, address.local.c_str(), &own) != 1) return wrong();
    own.s_addr |= htonl(0xffffffffU >> address.prefix);
    char notation[INET_ADDRSTRLEN];
    address.broadcast = ::inet_ntop(AF_INET, &own, notation, sizeof notation);
  }
  return add_address(address);
}

Status Netlink::remove_address(const Address& address) {
  GRIT_TRY(const Message request, address_request(RTM_DELADDR, 0, address));
  if (auto done = rtnl::exchange(socket_.get(), request); !done)
    return Failure(rtnl::to_error(done.error(), fmt::format("cannot remove address {}/{} from interface {}",
                                                            address.local, address.prefix, address.ifindex)));
  return {};
}

Result<std::vector<Neighbour>> Netlink::permanent_neighbours(int ifindex) {
  std::vector<Neighbour> found;
  Message request(RTM_GETNEIGH, NLM_F_DUMP);
  request.header(ndmsg{});
  const auto receive = [&](const nlmsghdr& message) {
    if (message.nlmsg_type != RTM_NEWNEIGH) return;
    Neighbour neighbour = parse_neighbour(message);
    const bool ip = neighbour.family == AF_INET || neighbour.family == AF_INET6;
    const bool ours = ifindex == 0 || neighbour.ifindex == ifindex;
    if (ip && ours && neighbour.state == NUD_PERMANENT) found.push_back(std::move(neighbour));
  };
  if (auto done = rtnl::exchange(socket_.get(), request, receive, [&] { found.clear(); }); !done)
    return Failure(rtnl::to_error(done.error(), "cannot list neighbours"));
  return found;
}

Status Netlink::add_neighbour(const Neighbour& neighbour) {
  GRIT_TRY(const std::string address, rtnl::ip_bytes(neighbour.family, neighbour.address));
  ndmsg header{};
  header.ndm_family = static_cast<std::uint8_t>(neighbour.family);
  header.ndm_ifindex = neighbour.ifindex;
  header.ndm_state = static_cast<std::uint16_t>(neighbour.state);
  header.ndm_flags = static_cast<std::uint8_t>(neighbour.flags);
  header.ndm_type = static_cast<std::uint8_t>(neighbour.type);
  Message request(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
  request.header(header).bytes(NDA_DST, address);
  if (!neighbour.mac.empty()) {
    GRIT_TRY(const std::string mac, rtnl::mac_bytes(neighbour.mac));
    request.bytes(NDA_LLADDR, mac);
  }
  if (auto done = rtnl::exchange(socket_.get(), request); !done)
    return Failure(rtnl::to_error(done.error(), fmt::format("cannot add neighbour {}", neighbour.address)));
  return {};
}

}  // namespace grit
