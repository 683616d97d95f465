#include "harness/os/netlink_bond.hpp"

#include <fmt/format.h>
#include <linux/if_link.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include <memory>

#include "harness/os/netlink_message.hpp"

namespace grit {
namespace {

using rtnl::Attributes;
using rtnl::Message;
using Socket = std::unique_ptr<nl_sock, decltype(&nl_socket_free)>;

Attributes nested(const nlattr* attribute) {
  return {static_cast<const nlattr*>(nla_data(attribute)), nla_len(attribute)};
}

int active_port(const nlmsghdr& message) {
  const nlattr* info = Attributes(message, sizeof(ifinfomsg)).find(IFLA_LINKINFO);
  if (info == nullptr || nested(info).text(IFLA_INFO_KIND) != "bond") return 0;
  const nlattr* data = nested(info).find(IFLA_INFO_DATA);
  return data == nullptr ? 0 : static_cast<int>(nested(data).u32(IFLA_BOND_ACTIVE_SLAVE));
}

}  // namespace

Result<int> bond_active_port(int bond_ifindex) {
  GRIT_TRY(nl_sock* const opened, rtnl::open_socket());
  const Socket socket(opened, nl_socket_free);
  ifinfomsg header{};
  header.ifi_index = bond_ifindex;
  Message request(RTM_GETLINK, 0);
  request.header(header);
  int port = 0;
  const auto read =
      rtnl::exchange(socket.get(), request, [&](const nlmsghdr& message) { port = active_port(message); });
  if (!read && read.error().error_number != ENODEV)
    return Failure(rtnl::to_error(read.error(), fmt::format("cannot read interface {}", bond_ifindex)));
  return port;
}

Status set_bond_active_port(int bond_ifindex, int port_ifindex) {
  GRIT_TRY(nl_sock* const opened, rtnl::open_socket());
  const Socket socket(opened, nl_socket_free);
  ifinfomsg header{};
  header.ifi_index = bond_ifindex;
  Message request(RTM_NEWLINK, 0);
  request.header(header).nest(IFLA_LINKINFO, [&](Message& info) {
    info.text(IFLA_INFO_KIND, "bond");
    info.nest(IFLA_INFO_DATA,
              [&](Message& data) { data.u32(IFLA_BOND_ACTIVE_SLAVE, static_cast<std::uint32_t>(port_ifindex)); });
  });
  if (const auto set = rtnl::exchange(socket.get(), request); !set)
    return Failure(rtnl::to_error(
        set.error(), fmt::format("cannot make interface {} the active port of bond {}", port_ifindex, bond_ifindex)));
  return {};
}

}  // namespace grit
