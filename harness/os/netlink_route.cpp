// Routes.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/lwtunnel.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include <algorithm>

#include "harness/os/netlink.hpp"
#include "harness/os/netlink_message.hpp"

namespace grit {

using rtnl::Attributes;
using rtnl::Message;

namespace {

void note_unsupported(Route& route, const std::string& what) {
  route.unsupported += (route.unsupported.empty() ? "" : ", ") + what;
}

void parse_metrics(Route& route, const nlattr& nested) {
  Attributes(static_cast<const nlattr*>(nla_data(&nested)), nla_len(&nested)).each([&](int type, const nlattr& metric) {
    if (type == RTAX_CC_ALGO)
      note_unsupported(route, "a congestion control algorithm");
    else
      route.metrics[type] = nla_get_u32(&metric);
  });
}

void parse_nexthops(Route& route, const nlattr& nested) {
  note_unsupported(route, "multipath");
  const auto* hop = static_cast<const rtnexthop*>(nla_data(&nested));
  for (int left = nla_len(&nested); RTNH_OK(hop, left); left -= RTNH_ALIGN(hop->rtnh_len), hop = RTNH_NEXT(hop))
    route.multipath_ifindexes.push_back(hop->rtnh_ifindex);
}

/// Attributes that parse_route() has read into fields, or that say only how the route is doing.
bool is_understood(int type) {
  constexpr int kKnown[] = {RTA_DST,   RTA_OIF,     RTA_GATEWAY, RTA_PRIORITY,  RTA_PREFSRC,
                            RTA_TABLE, RTA_METRICS, RTA_PREF,    RTA_CACHEINFO, RTA_MULTIPATH};
  return std::find(std::begin(kKnown), std::end(kKnown), type) != std::end(kKnown);
}

std::string attribute_name(int type) {
  switch (type) {
    case RTA_ENCAP:
    case RTA_ENCAP_TYPE:
      return "encapsulation";
    case RTA_VIA:
      return "a gateway of another address family";
    case RTA_NH_ID:
      return "a nexthop object";
    case RTA_SRC:
      return "a source prefix";
    case RTA_FLOW:
      return "a realm";
    default:
      return fmt::format("attribute {}", type);
  }
}

std::uint32_t remaining_s(const Attributes& attributes) {
  rta_cacheinfo cache{};
  const auto raw = attributes.bytes(RTA_CACHEINFO);
  if (raw.size() < sizeof cache) return 0;
  std::copy_n(raw.data(), sizeof cache, reinterpret_cast<char*>(&cache));
  constexpr int kTicksPerS = 100;  // USER_HZ, which jiffies are shown in
  return cache.rta_expires <= 0 ? 0 : static_cast<std::uint32_t>(cache.rta_expires / kTicksPerS + 1);
}

Route parse_route(const nlmsghdr& message) {
  const auto& header = *static_cast<const rtmsg*>(nlmsg_data(&message));
  const Attributes attributes(message, sizeof header);
  Route route;
  route.family = header.rtm_family;
  route.prefix = header.rtm_dst_len;
  route.tos = header.rtm_tos;
  route.scope = header.rtm_scope;
  route.protocol = header.rtm_protocol;
  route.type = header.rtm_type;
  route.onlink = (header.rtm_flags & RTNH_F_ONLINK) != 0;
  route.table = attributes.has(RTA_TABLE) ? attributes.u32(RTA_TABLE) : header.rtm_table;
  route.ifindex = static_cast<int>(attributes.u32(RTA_OIF));
  route.destination = attributes.ip(route.family, RTA_DST);
  route.gateway = attributes.ip(route.family, RTA_GATEWAY);
  route.source = attributes.ip(route.family, RTA_PREFSRC);
  route.metric = attributes.u32(RTA_PRIORITY);
  route.preference = attributes.u8(RTA_PREF);
  route.expires_s = remaining_s(attributes);
  if (const nlattr* metrics = attributes.find(RTA_METRICS)) parse_metrics(route, *metrics);
  if (const nlattr* hops = attributes.find(RTA_MULTIPATH)) parse_nexthops(route, *hops);
  attributes.each([&](int type, const nlattr&) {
    if (!is_understood(type)) note_unsupported(route, attribute_name(type));
  });
  return route;
}

bool passes_through(const Route& route, int ifindex) {
  const auto& hops = route.multipath_ifindexes;
  return ifindex == 0 || route.ifindex == ifindex || std::find(hops.begin(), hops.end(), ifindex) != hops.end();
}

Result<Message> route_request(int type, int flags, const Route& route) {
  if (!route.unsupported.empty())
    return unavailable_error("a route with " + route.unsupported + " cannot be written exactly as it was read");
  rtmsg header{};
  header.rtm_family = static_cast<std::uint8_t>(route.family);
  header.rtm_dst_len = static_cast<std::uint8_t>(route.prefix);
  header.rtm_tos = static_cast<std::uint8_t>(route.tos);
  header.rtm_table = route.table < 256 ? static_cast<std::uint8_t>(route.table) : std::uint8_t{RT_TABLE_UNSPEC};
  header.rtm_protocol = static_cast<std::uint8_t>(route.protocol);
  header.rtm_scope = static_cast<std::uint8_t>(route.scope);
  header.rtm_type = static_cast<std::uint8_t>(route.type);
  header.rtm_flags = route.onlink ? static_cast<unsigned>(RTNH_F_ONLINK) : 0U;
  Message request(type, flags);
  request.header(header).u32(RTA_TABLE, route.table).u32(RTA_OIF, static_cast<std::uint32_t>(route.ifindex));
  for (const auto& [attribute, address] :
       {std::pair{RTA_DST, &route.destination}, std::pair{RTA_GATEWAY, &route.gateway},
        std::pair{RTA_PREFSRC, &route.source}}) {
    if (address->empty()) continue;
    GRIT_TRY(const std::string bytes, rtnl::ip_bytes(route.family, *address));
    request.bytes(attribute, bytes);
  }
  if (route.metric != 0) request.u32(RTA_PRIORITY, route.metric);
  if (route.family == AF_INET6) request.u8(RTA_PREF, static_cast<std::uint8_t>(route.preference));
  if (route.expires_s != 0) request.u32(RTA_EXPIRES, route.expires_s);
  if (!route.metrics.empty())
    request.nest(RTA_METRICS, [&](Message& nested) {
      for (const auto& [metric, value] : route.metrics) nested.u32(metric, value);
    });
  return request;
}

std::string describe(const Route& route) {
  return fmt::format("the route to {}/{}{} in table {}", route.destination.empty() ? "default" : route.destination,
                     route.prefix, route.gateway.empty() ? "" : " by " + route.gateway, route.table);
}

}  // namespace

Result<std::vector<Route>> Netlink::routes(int ifindex) {
  std::vector<Route> found;
  for (const int family : {AF_INET, AF_INET6}) {
    const std::size_t before = found.size();
    rtmsg header{};
    header.rtm_family = static_cast<std::uint8_t>(family);
    Message request(RTM_GETROUTE, NLM_F_DUMP);
    request.header(header);
    const auto receive = [&](const nlmsghdr& message) {
      if (message.nlmsg_type != RTM_NEWROUTE) return;
      if ((static_cast<const rtmsg*>(nlmsg_data(&message))->rtm_flags & RTM_F_CLONED) != 0) return;
      Route route = parse_route(message);
      if (route.family == family && passes_through(route, ifindex)) found.push_back(std::move(route));
    };
    if (auto done = rtnl::exchange(socket_.get(), request, receive, [&] { found.resize(before); }); !done)
      return Failure(rtnl::to_error(done.error(), "cannot list routes"));
  }
  return found;
}

Status Netlink::add_route(const Route& route) {
  // APPEND: beside another route of the same prefix and metric, never in its place.
  GRIT_TRY(const Message request, route_request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND, route));
  auto done = rtnl::exchange(socket_.get(), request);
  if (!done && done.error().error_number != EEXIST)
    return Failure(rtnl::to_error(done.error(), "cannot add " + describe(route)));
  return {};
}

Status Netlink::remove_route(const Route& route) {
  GRIT_TRY(const Message request, route_request(RTM_DELROUTE, 0, route));
  if (auto done = rtnl::exchange(socket_.get(), request); !done)
    return Failure(rtnl::to_error(done.error(), "cannot remove " + describe(route)));
  return {};
}

}  // namespace grit
