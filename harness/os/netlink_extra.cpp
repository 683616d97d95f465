#include "harness/os/netlink_extra.hpp"

#include <fmt/format.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <netlink/addr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include <memory>

namespace grit {
namespace {

struct SocketFree {
  void operator()(nl_sock* socket) const { nl_socket_free(socket); }
};
struct MessageFree {
  void operator()(nl_msg* message) const { nlmsg_free(message); }
};
struct AddressPut {
  void operator()(nl_addr* address) const { nl_addr_put(address); }
};

int put_end(nl_msg* message, const NumberedVethEnd& end) {
  nl_addr* parsed = nullptr;
  if (const int error = nl_addr_parse(end.mac.c_str(), AF_LLC, &parsed); error < 0) return error;
  const std::unique_ptr<nl_addr, AddressPut> mac(parsed);
  if (const int error = nla_put_string(message, IFLA_IFNAME, end.name.c_str()); error < 0) return error;
  if (const int error = nla_put_addr(message, IFLA_ADDRESS, mac.get()); error < 0) return error;
  if (end.netns_fd < 0) return 0;
  return nla_put_u32(message, IFLA_NET_NS_FD, static_cast<std::uint32_t>(end.netns_fd));
}

int put_pair(nl_msg* message, const NumberedVethEnd& here, const NumberedVethEnd& there) {
  ifinfomsg head{};
  head.ifi_index = here.ifindex;
  if (const int error = nlmsg_append(message, &head, sizeof head, NLMSG_ALIGNTO); error < 0) return error;
  if (const int error = put_end(message, here); error < 0) return error;
  nlattr* info = nla_nest_start(message, IFLA_LINKINFO);
  if (info == nullptr) return -NLE_NOMEM;
  if (const int error = nla_put_string(message, IFLA_INFO_KIND, "veth"); error < 0) return error;
  nlattr* data = nla_nest_start(message, IFLA_INFO_DATA);
  nlattr* peer = data == nullptr ? nullptr : nla_nest_start(message, VETH_INFO_PEER);
  if (peer == nullptr) return -NLE_NOMEM;
  ifinfomsg peer_head{};
  peer_head.ifi_index = there.ifindex;
  if (const int error = nlmsg_append(message, &peer_head, sizeof peer_head, NLMSG_ALIGNTO); error < 0) return error;
  if (const int error = put_end(message, there); error < 0) return error;
  nla_nest_end(message, peer);
  nla_nest_end(message, data);
  nla_nest_end(message, info);
  return 0;
}

}  // namespace

Status create_numbered_veth(const NumberedVethEnd& here, const NumberedVethEnd& there) {
  const auto failure = [&](int error) -> Failure {
    const auto text = fmt::format("cannot make the veth pair {} - {}: {}", here.name, there.name, nl_geterror(error));
    return error == -NLE_PERM ? unavailable_error(text + ". CAP_NET_ADMIN in this network namespace is needed")
                              : internal_error(text);
  };
  const std::unique_ptr<nl_sock, SocketFree> socket(nl_socket_alloc());
  if (!socket) return failure(-NLE_NOMEM);
  if (const int error = nl_connect(socket.get(), NETLINK_ROUTE); error < 0) return failure(error);
  std::unique_ptr<nl_msg, MessageFree> message(
      nlmsg_alloc_simple(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL));
  if (!message) return failure(-NLE_NOMEM);
  if (const int error = put_pair(message.get(), here, there); error < 0) return failure(error);
  // nl_send_sync frees the message, whatever happens.
  if (const int error = nl_send_sync(socket.get(), message.release()); error < 0) return failure(error);
  return {};
}

}  // namespace grit
