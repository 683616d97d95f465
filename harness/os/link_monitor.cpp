#include <fmt/format.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include "harness/base/clock.hpp"
#include "harness/os/netlink.hpp"
#include "harness/os/netlink_link.hpp"
#include "harness/os/netlink_message.hpp"

namespace grit {
namespace {

constexpr std::uint32_t kLowerUp = 1U << 16;  // IFF_LOWER_UP; linux/if.h, which has it, clashes with net/if.h

int on_notification(nl_msg* message, void* argument) {
  const nlmsghdr& header = *nlmsg_hdr(message);
  if (header.nlmsg_type != RTM_NEWLINK && header.nlmsg_type != RTM_DELLINK) return NL_OK;
  const Link link = rtnl::parse_link(header);
  LinkEvent event;
  event.t_ns = monotonic_ns();
  event.ifindex = link.ifindex;
  event.name = link.name;
  event.up = link.up();
  event.running = link.running();
  event.lower_up = (link.flags & kLowerUp) != 0;
  event.removed = header.nlmsg_type == RTM_DELLINK;
  event.operstate = link.operstate;
  event.carrier = link.carrier;
  static_cast<std::vector<LinkEvent>*>(argument)->push_back(std::move(event));
  return NL_OK;
}

}  // namespace

void LinkMonitor::SocketDeleter::operator()(nl_sock* socket) const { nl_socket_free(socket); }

Result<LinkMonitor> LinkMonitor::open() {
  GRIT_TRY(nl_sock* const socket, rtnl::open_socket());
  LinkMonitor monitor(socket);
  nl_socket_disable_seq_check(socket);  // notifications answer no request
  int error = nl_socket_add_membership(socket, RTNLGRP_LINK);
  if (error >= 0) error = nl_socket_set_nonblocking(socket);
  if (error < 0) return internal_error(fmt::format("cannot subscribe to link notifications: {}", nl_geterror(error)));
  return monitor;
}

int LinkMonitor::descriptor() const { return nl_socket_get_fd(socket_.get()); }

Result<std::vector<LinkEvent>> LinkMonitor::drain() {
  std::vector<LinkEvent> events;
  nl_socket_modify_cb(socket_.get(), NL_CB_VALID, NL_CB_CUSTOM, on_notification, &events);
  for (;;) {
    const int error = nl_recvmsgs_default(socket_.get());
    if (error >= 0) continue;
    if (error == -NLE_AGAIN) return events;
    return internal_error(fmt::format("cannot read link notifications: {}", nl_geterror(error)));
  }
}

}  // namespace grit
