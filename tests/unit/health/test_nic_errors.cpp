#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <netlink/socket.h>
#include <sys/socket.h>

#include <array>
#include <memory>

#include "harness/os/netlink_message.hpp"
#include "tests/two_nodes.hpp"
#include "tests/unit/health/check_reading.hpp"

using namespace grit;
using grit::test::ok;

namespace {

constexpr std::uint16_t kVxlanPort = 4789;

/// A VXLAN whose other end nobody can reach: the kernel counts a tx_error for every frame.
std::optional<std::string> why_no_vxlan(const std::string& name) {
  const std::unique_ptr<nl_sock, decltype(&nl_socket_free)> socket(ok(rtnl::open_socket()), nl_socket_free);
  rtnl::Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  message.header(ifinfomsg{}).text(IFLA_IFNAME, name).nest(IFLA_LINKINFO, [](rtnl::Message& info) {
    info.text(IFLA_INFO_KIND, "vxlan").nest(IFLA_INFO_DATA, [](rtnl::Message& data) {
      const std::uint16_t port = htons(kVxlanPort);
      data.u32(IFLA_VXLAN_ID, 5).u32(IFLA_VXLAN_GROUP, ::inet_addr("192.0.2.9"));
      data.bytes(IFLA_VXLAN_PORT, {reinterpret_cast<const char*>(&port), sizeof port});
    });
  });
  const auto made = rtnl::exchange(socket.get(), message);
  return made ? std::nullopt : std::optional(made.error().words);
}

void send_frame(int ifindex) {
  const Fd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  REQUIRE(socket);
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = ifindex;
  std::array<unsigned char, 60> frame{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5};
  REQUIRE(::sendto(socket.get(), frame.data(), frame.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to) ==
          static_cast<ssize_t>(frame.size()));
}

Node node_with(const char* nic) {
  Node node;
  node.name = "node0";
  node.nics = {{.name = nic, .role = NicRole::data}};
  return node;
}

}  // namespace

TEST_CASE("nic_errors: what the kernel counted since the last reading, and not what it counted before") {
  test::in_namespaces([] {
    // IPv6 sends frames of its own on a new link.
    test::detail::write_text("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    if (const auto why = why_no_vxlan("vx0")) {
      test::skip(fmt::format("no device that counts errors can be made: {}", *why));
      return;
    }
    Netlink netlink = ok(Netlink::open());
    const int vx0 = ok(netlink.link("vx0")).ifindex;
    ok(netlink.set_up(vx0));
    send_frame(vx0);
    test::CheckUnderTest check("nic_errors");
    check.node = node_with("vx0");
    // The first reading in a block: an old error is not this block's.
    REQUIRE(check.read_of("vx0").severity == Severity::ok);
    REQUIRE(check.read_of("vx0").severity == Severity::ok);
    send_frame(vx0);
    send_frame(vx0);
    const Outcome after = check.read_of("vx0");
    REQUIRE(after.severity == Severity::critical);
    REQUIRE(after.detail.find("tx_errors +2") != std::string::npos);
    REQUIRE(check.read_of("vx0").severity == Severity::ok);
    ok(netlink.remove_link(vx0));
    REQUIRE(check.read_of("vx0").detail == "is gone");
  });
}

TEST_CASE("nic_errors: a counter that fell was started anew, and is no error") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    test::CheckUnderTest check("nic_errors");
    check.node = node_with("eth0");
    check.memory.keep("eth0 rx_crc_errors", 7);
    REQUIRE(check.read_of("eth0").severity == Severity::ok);
    REQUIRE(check.memory.find("eth0 rx_crc_errors") == 0);
  });
}
