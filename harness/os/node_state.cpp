// Comparing, and the parts that netlink(7) knows: node_state_proc.cpp has the others.
#include "harness/os/node_state.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if_addr.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/pkt_sched.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include <algorithm>
#include <functional>

#include "harness/os/link_uppers.hpp"
#include "harness/os/netlink.hpp"
#include "harness/os/netlink_message.hpp"

namespace grit {
namespace {

using rtnl::Attributes;
using rtnl::Message;
using Socket = std::unique_ptr<nl_sock, decltype(&nl_socket_free)>;
using Names = std::map<int, std::string>;

std::string name_of(const Names& names, int ifindex) {
  const auto found = names.find(ifindex);
  return found == names.end() ? fmt::format("interface {}", ifindex) : found->second;
}

void add(StatePart& part, const std::string& interface, const std::string& thing, std::string how) {
  part.interfaces[thing] = interface;
  part.things[thing] = std::move(how);
}

StatePart links_part(const std::vector<Link>& links, const Names& names) {
  StatePart part;
  for (const Link& link : links) {
    part.interfaces[link.name] = link.name;
    part.things[link.name] =
        fmt::format("{}, mtu {}, mac {}{}{}", link.up() ? "up" : "down", link.mtu_bytes,
                    link.mac.empty() ? "none" : link.mac, link.kind.empty() ? "" : ", " + link.kind,
                    link.master_ifindex == 0 ? "" : ", in " + name_of(names, link.master_ifindex));
  }
  return part;
}

/// IPv6 addresses with a lifetime come from router advertisements and go by themselves; IPv4 ones (DHCP) are renewed.
Result<StatePart> addresses_part(Netlink& netlink, const Names& names) {
  GRIT_TRY(const auto addresses, netlink.addresses(0));
  StatePart part;
  for (const Address& address : addresses) {
    if (address.family != AF_INET && (address.flags & IFA_F_PERMANENT) == 0) continue;
    const std::string on = name_of(names, address.ifindex);
    add(part, on, fmt::format("{} {}/{}", on, address.local, address.prefix),
        fmt::format("peer {}, label {}", address.peer.empty() ? "none" : address.peer,
                    address.label.empty() ? "none" : address.label));
  }
  return part;
}

/// Routing daemons and router advertisements change theirs at any time. The kernel's own in the local table follow from
/// the addresses, which are compared, and come late: an IPv6 address's only after duplicate address detection.
bool stays(const Route& route) {
  if (route.protocol == RTPROT_KERNEL && route.table == RT_TABLE_LOCAL) return false;
  const bool ours = route.protocol == RTPROT_KERNEL || route.protocol == RTPROT_BOOT ||
                    route.protocol == RTPROT_STATIC || route.protocol == RTPROT_DHCP;
  return ours && route.expires_s == 0;
}

Result<StatePart> routes_part(Netlink& netlink, const Names& names) {
  GRIT_TRY(const auto routes, netlink.routes(0));
  StatePart part;
  for (const Route& route : routes) {
    if (!stays(route)) continue;
    std::string text =
        fmt::format("{}/{} on {} via {} table {} metric {} type {}",
                    !route.destination.empty() ? route.destination : (route.family == AF_INET ? "0.0.0.0" : "::"),
                    route.prefix, name_of(names, route.ifindex), route.gateway.empty() ? "nothing" : route.gateway,
                    route.table, route.metric, route.type);
    std::string details = fmt::format("source {}, scope {}, protocol {}", route.source.empty() ? "any" : route.source,
                                      route.scope, route.protocol);
    for (const auto& [metric, value] : route.metrics) details += fmt::format(", metric {} = {}", metric, value);
    add(part, name_of(names, route.ifindex), text, std::move(details));
  }
  return part;
}

Result<StatePart> neighbours_part(Netlink& netlink, const Names& names) {
  GRIT_TRY(const auto neighbours, netlink.permanent_neighbours(0));
  StatePart part;
  for (const Neighbour& one : neighbours) {
    const std::string on = name_of(names, one.ifindex);
    add(part, on, fmt::format("{} on {}", one.address, on), one.mac);
  }
  return part;
}

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

/// HTB alone counts in its options (direct_pkts, the last member of tc_htb_glob).
std::string qdisc_options(const std::string& kind, const Attributes& attributes) {
  if (kind != "htb") return hex(attributes.bytes(TCA_OPTIONS));
  const nlattr* options = attributes.find(TCA_OPTIONS);
  if (options == nullptr) return {};
  std::string text;
  Attributes(static_cast<const nlattr*>(nla_data(options)), nla_len(options))
      .each([&](int type, const nlattr& attribute) {
        std::string_view value(static_cast<const char*>(nla_data(&attribute)),
                               static_cast<std::size_t>(nla_len(&attribute)));
        if (type == TCA_HTB_INIT && value.size() == sizeof(tc_htb_glob))
          value.remove_suffix(sizeof(tc_htb_glob) - offsetof(tc_htb_glob, direct_pkts));
        text += fmt::format("{}:{} ", type, hex(value));
      });
  return text;
}

Status dump(nl_sock* socket, Message& request, const rtnl::Receiver& receive, const std::function<void()>& restart,
            std::string_view what) {
  if (auto done = rtnl::exchange(socket, request, receive, restart); !done)
    return Failure(rtnl::to_error(done.error(), what));
  return {};
}

Result<StatePart> qdiscs_part(const Names& names) {
  GRIT_TRY(nl_sock* const raw, rtnl::open_socket());
  const Socket socket(raw, nl_socket_free);
  StatePart part;
  Message request(RTM_GETQDISC, NLM_F_DUMP);
  request.header(tcmsg{});
  const auto receive = [&](const nlmsghdr& message) {
    if (message.nlmsg_type != RTM_NEWQDISC) return;
    const auto& header = *static_cast<const tcmsg*>(nlmsg_data(&message));
    const Attributes attributes(message, sizeof header);
    const std::string kind = attributes.text(TCA_KIND);
    const std::string on = name_of(names, header.tcm_ifindex);
    // The kernel chooses the options of a default (handle 0) by the MTU that the interface has when it makes it.
    add(part, on, fmt::format("{} {:x}: parent {:x}", on, header.tcm_handle, header.tcm_parent),
        header.tcm_handle == 0 ? kind : fmt::format("{} {}", kind, qdisc_options(kind, attributes)));
  };
  GRIT_CHECK(dump(
      socket.get(), request, receive, [&] { part.things.clear(); }, "cannot list the qdiscs"));
  return part;
}

/// Tables and chains, with what the kernel counts as in use in them: chains and sets, rules and jumps.
Result<StatePart> nftables_part() {
  const Socket socket(nl_socket_alloc(), nl_socket_free);
  if (!socket) return internal_error("cannot allocate a netlink socket");
  if (const int error = nl_connect(socket.get(), NETLINK_NETFILTER); error < 0)
    return unavailable_error(fmt::format("no netfilter socket: {}", nl_geterror(error)));
  StatePart part;
  const auto receive = [&](const nlmsghdr& message) {
    const int type = NFNL_MSG_TYPE(message.nlmsg_type);
    const auto& header = *static_cast<const nfgenmsg*>(nlmsg_data(&message));
    const Attributes attributes(message, sizeof header);
    if (type == NFT_MSG_NEWTABLE)
      part.things[fmt::format("table {} (family {})", attributes.text(NFTA_TABLE_NAME), header.nfgen_family)] =
          fmt::format("{} in use, flags {}", ntohl(attributes.u32(NFTA_TABLE_USE)),
                      ntohl(attributes.u32(NFTA_TABLE_FLAGS)));
    if (type == NFT_MSG_NEWCHAIN)
      part.things[fmt::format("chain {} of table {} (family {})", attributes.text(NFTA_CHAIN_NAME),
                              attributes.text(NFTA_CHAIN_TABLE), header.nfgen_family)] =
          fmt::format("{} in use", ntohl(attributes.u32(NFTA_CHAIN_USE)));
  };
  for (const int get : {NFT_MSG_GETTABLE, NFT_MSG_GETCHAIN}) {
    Message request(NFNL_SUBSYS_NFTABLES << 8 | get, NLM_F_DUMP);
    request.header(nfgenmsg{AF_UNSPEC, NFNETLINK_V0, 0});
    const auto kept = part.things;
    GRIT_CHECK(dump(
        socket.get(), request, receive, [&] { part.things = kept; }, "cannot list nftables"));
  }
  return part;
}

StatePart part_of(Result<StatePart> read) {
  if (read) return std::move(*read);
  StatePart unread;
  unread.unread = read.error().message;
  return unread;
}

void read_links(NodeState& state, Names& names) {
  auto netlink = Netlink::open();
  auto links = netlink ? netlink->links() : Result<std::vector<Link>>(tl::make_unexpected(netlink.error()));
  if (!links) {
    for (const char* name : {"links", "addresses", "routes", "neighbours"}) state[name].unread = links.error().message;
    return;
  }
  for (const Link& link : *links) names[link.ifindex] = link.name;
  names[0] = "no interface";
  state["links"] = links_part(*links, names);
  state["addresses"] = part_of(addresses_part(*netlink, names));
  state["routes"] = part_of(routes_part(*netlink, names));
  state["neighbours"] = part_of(neighbours_part(*netlink, names));
}

/// Calls `found` with each thing of the part that differs, and with how, in words.
void compare_part(const std::string& name, const StatePart& before, const StatePart& after,
                  const std::function<void(const std::string& thing, std::string words)>& found) {
  const auto described = [](const std::string& key, const std::string& value) {
    return value.empty() ? key : key + " (" + value + ")";
  };
  for (const auto& [key, value] : before.things) {
    const auto now = after.things.find(key);
    if (now == after.things.end()) {
      if (before.compare == StatePart::Compare::all)
        found(key, fmt::format("{}: gone: {}", name, described(key, value)));
    } else if (now->second != value && before.compare != StatePart::Compare::added) {
      found(key, fmt::format("{}: {}: {} -> {}", name, key, value, now->second));
    }
  }
  if (before.compare == StatePart::Compare::common) return;
  for (const auto& [key, value] : after.things)
    if (!before.things.contains(key)) found(key, fmt::format("{}: new: {}", name, described(key, value)));
}

/// Is this thing one that the faults can have changed?
bool within(const FaultReach& reach, const std::string& name, const StatePart& part, const std::string& thing) {
  if (reach.everything) return true;
  if (const auto on = part.interfaces.find(thing); on != part.interfaces.end())
    return reach.interfaces.contains(on->second);
  if (name == "nftables") return thing.find("table grit_") != std::string::npos;  // DropTable
  return name != "interrupts" || !reach.interfaces.empty();
}

/// The parts that could be read both times.
void each_part(const NodeState& before, const NodeState& after,
               const std::function<void(const std::string&, const StatePart&, const StatePart&)>& work) {
  for (const auto& [name, part] : before) {
    const auto now = after.find(name);
    if (now != after.end() && part.unread.empty() && now->second.unread.empty()) work(name, part, now->second);
  }
}

}  // namespace

NodeState read_node_state() {
  NodeState state;
  Names names;
  read_links(state, names);
  state["qdiscs"] = part_of(qdiscs_part(names));
  state["nftables"] = part_of(nftables_part());
  state["control groups"] = part_of(node_state::read_cgroups());
  state["interrupts"] = part_of(node_state::read_interrupts());
  return state;
}

std::vector<std::string> differences(const NodeState& before, const NodeState& after) {
  std::vector<std::string> found;
  each_part(before, after, [&](const std::string& name, const StatePart& was, const StatePart& is) {
    compare_part(name, was, is, [&](const std::string&, std::string words) { found.push_back(std::move(words)); });
  });
  return found;
}

Result<FaultReach> reach_of(const std::set<std::string>& interfaces) {
  GRIT_TRY(Netlink netlink, Netlink::open());
  GRIT_TRY(const auto links, netlink.links());
  FaultReach reach{interfaces};
  for (const Link& link : links)
    if (interfaces.contains(link.name))
      for (const UpperLink& upper : link_uppers(links, link.ifindex)) reach.interfaces.insert(upper.link.name);
  return reach;
}

NodeChanges changes(const NodeState& before, const NodeState& after, const FaultReach& reach) {
  NodeChanges found;
  each_part(before, after, [&](const std::string& name, const StatePart& was, const StatePart& is) {
    compare_part(name, was, is, [&](const std::string& thing, std::string words) {
      const bool ours = within(reach, name, was.things.contains(thing) ? was : is, thing);
      (ours ? found.within_reach : found.elsewhere).push_back(std::move(words));
    });
  });
  return found;
}

std::vector<std::string> unread_within(const NodeState& before, const NodeState& after, const FaultReach& reach) {
  std::vector<std::string> unread;
  for (const auto& [name, part] : before) {
    const bool touched = reach.everything || name == "control groups" || !reach.interfaces.empty();
    const auto now = after.find(name);
    if (!touched || now == after.end() || (part.unread.empty() && now->second.unread.empty())) continue;
    unread.push_back(fmt::format("{}: {}", name, part.unread.empty() ? now->second.unread : part.unread));
  }
  return unread;
}

}  // namespace grit
