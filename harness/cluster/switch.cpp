#include "harness/cluster/switch.hpp"

#include <linux/if_addr.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/cluster/layout.hpp"
#include "harness/os/namespaces.hpp"
#include "harness/os/netlink.hpp"
#include "harness/os/netlink_extra.hpp"

namespace grit {
namespace {

constexpr int kLoopbackIfindex = 1;  // the first device of every network namespace
constexpr int kIpv6Prefix = 64;

// A fixed MAC, because a bridge without one takes the lowest of its ports' and changes it as nodes join.
Status make_bridge(Netlink& netlink, const char* name, const char* mac) {
  GRIT_CHECK(netlink.create_bridge(name));
  GRIT_TRY(const Link bridge, netlink.link(name));
  GRIT_CHECK(netlink.set_mac(bridge.ifindex, mac));
  return netlink.set_up(bridge.ifindex);
}

Status plug_in(Netlink& netlink, const char* bridge, const NumberedVethEnd& port, const NumberedVethEnd& nic) {
  GRIT_CHECK(create_numbered_veth(port, nic));
  GRIT_TRY(const Link master, netlink.link(bridge));
  GRIT_CHECK(netlink.set_master(port.ifindex, master.ifindex));
  return netlink.set_up(port.ifindex);
}

Status configure_node(Netlink& inside, int node) {
  GRIT_CHECK(inside.set_up(kLoopbackIfindex));
  GRIT_CHECK(inside.add_address(layout::kDataIfindex, layout::data_address(node) + "/24"));
  GRIT_CHECK(inside.add_address(layout::kManagementIfindex, layout::management_address(node) + "/24"));
  GRIT_CHECK(inside.set_up(layout::kDataIfindex));
  GRIT_CHECK(inside.set_up(layout::kManagementIfindex));
  if (!ipv6_available()) return {};
  Address address;
  address.family = AF_INET6;
  address.ifindex = layout::kDataIfindex;
  address.local = layout::data_address_v6(node);
  address.prefix = kIpv6Prefix;
  address.flags = IFA_F_NODAD;  // usable at once: nobody else can have it
  return inside.add_address(address);
}

}  // namespace

bool ipv6_available() { return ::access("/proc/sys/net/ipv6", F_OK) == 0; }

Status build_switch() {
  GRIT_TRY(Netlink netlink, Netlink::open());
  GRIT_CHECK(netlink.set_up(kLoopbackIfindex));
  GRIT_CHECK(make_bridge(netlink, layout::kDataBridge, layout::kDataBridgeMac));
  GRIT_CHECK(make_bridge(netlink, layout::kManagementBridge, layout::kManagementBridgeMac));
  GRIT_TRY(const Link management, netlink.link(layout::kManagementBridge));
  return netlink.add_address(management.ifindex, std::string(layout::kSwitchAddress) + "/24");
}

Status connect_node(int node, pid_t pid) {
  GRIT_TRY(const Fd netns, open_namespace(pid, "net"));
  GRIT_TRY(Netlink outside, Netlink::open());
  const auto number = std::to_string(node);
  GRIT_CHECK(plug_in(outside, layout::kDataBridge,
                     {"data" + number, layout::switch_data_mac(node), layout::kSwitchDataIfindex + node},
                     {layout::kDataNic, layout::data_mac(node), layout::kDataIfindex, netns.get()}));
  GRIT_CHECK(plug_in(outside, layout::kManagementBridge,
                     {"mgmt" + number, layout::switch_management_mac(node), layout::kSwitchManagementIfindex + node},
                     {layout::kManagementNic, layout::management_mac(node), layout::kManagementIfindex, netns.get()}));
  GRIT_TRY(Netlink inside, Netlink::open_in(netns.get()));
  return configure_node(inside, node);
}

}  // namespace grit
