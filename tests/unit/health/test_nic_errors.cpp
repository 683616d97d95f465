#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <netlink/socket.h>
#include <sys/socket.h>

#include <memory>
#include <vector>

#include "harness/health/checks/nic_errors.hpp"
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

void send_frame(int ifindex, std::size_t bytes = 60) {
  const Fd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  REQUIRE(socket);
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = ifindex;
  std::vector<unsigned char> frame{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5};
  frame.resize(bytes);
  const auto sent = ::sendto(socket.get(), frame.data(), frame.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to);
  REQUIRE((sent == static_cast<ssize_t>(bytes) || errno == ENOBUFS));  // the device dropped it
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
    REQUIRE(after.severity == Severity::warning);
    test::proves("nic_errors", after);
    REQUIRE(after.detail.find("tx_errors +2") != std::string::npos);
    REQUIRE(check.read_of("vx0").severity == Severity::ok);
    ok(netlink.remove_link(vx0));
    REQUIRE(check.read_of("vx0").detail == "is gone");
  });
}

TEST_CASE("nic_errors: a counter that fell was started anew, and is no error") {
  test::in_namespaces([] {
    test::without_dad();
    test::TwoNodes nodes;
    test::CheckUnderTest check("nic_errors");
    check.node = node_with("eth0");
    check.memory.keep("eth0 rx_crc_errors", 7);
    REQUIRE(check.read_of("eth0").severity == Severity::ok);
    REQUIRE(check.memory.find("eth0 rx_crc_errors") == 0);
  });
}

TEST_CASE("nic_errors: packets that the other end is too small for are drops, and no error") {
  test::in_namespaces([] {
    test::detail::write_text("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    Netlink netlink = ok(Netlink::open());
    ok(netlink.create_veth({.name = "eth0"}, {.name = "port0"}));
    const int eth0 = ok(netlink.link("eth0")).ifindex, port0 = ok(netlink.link("port0")).ifindex;
    ok(netlink.set_mtu(port0, 600));
    for (const int one : {eth0, port0}) ok(netlink.set_up(one));
    test::wait_until_up(netlink, "eth0");
    test::CheckUnderTest check("nic_errors");
    check.node = node_with("eth0");
    REQUIRE(check.read_of("eth0").detail == "first reading");
    const auto send = [&](int frames) {
      for (int i = 0; i < frames; ++i) send_frame(eth0, 1000);
    };
    send(9);
    REQUIRE(check.read_of("eth0", kNsPerS / 2).severity == Severity::ok);  // too few for a rate
    send(20);
    const Outcome many = check.read_of("eth0");
    REQUIRE(many.severity == Severity::warning);
    REQUIRE(many.detail == "tx_dropped +20");
    REQUIRE(many.value == 20);
    send(20);
    REQUIRE(check.read_of("eth0", 10 * kNsPerS).severity == Severity::ok);  // 2 a second
  });
}

TEST_CASE("nic_errors: a stream of errors is critical, one is a warning, and what the host had no room for is a drop") {
  const Params params(ok(complete_params(find_check("nic_errors")->info.params, Json::object())));
  CheckMemory memory;
  Link link;
  const auto count = [&](std::string_view name) -> std::int64_t& {
    const auto& names = LinkErrors::kNames;
    return link.errors.counts[static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin())];
  };
  const auto read = [&](std::int64_t after_ns) {
    memory.begin(memory.now_ns() + after_ns);
    return judge_link_counters("eth0", link, params, memory);
  };
  read(kNsPerS);
  count("rx_crc_errors") += 1, count("rx_errors") += 1;
  const Outcome one = read(kNsPerS);
  REQUIRE(one.severity == Severity::warning);
  REQUIRE(one.detail == "rx_errors +1, rx_crc_errors +1");
  count("rx_crc_errors") += 9, count("rx_errors") += 9;
  REQUIRE(read(10 * kNsPerMs).severity == Severity::warning);  // of so short a time there is no rate
  count("rx_crc_errors") += 99;
  REQUIRE(read(10 * kNsPerS).severity == Severity::warning);
  count("rx_crc_errors") += 100;
  REQUIRE(read(10 * kNsPerS).severity == Severity::critical);
  for (const char* overrun : {"rx_fifo_errors", "rx_over_errors"}) {
    count(overrun) += 9, count("rx_errors") += 9;
    REQUIRE(read(10 * kNsPerMs).severity == Severity::ok);
    count(overrun) += 1000, count("rx_errors") += 1000;
    const Outcome overruns = read(kNsPerS);
    REQUIRE(overruns.severity == Severity::warning);
    REQUIRE(overruns.detail == fmt::format("{} +1000", overrun));
  }
  count("rx_fifo_errors") += 1000, count("rx_errors") += 1001;  // one of another kind
  const Outcome other = read(kNsPerS);
  REQUIRE(other.severity == Severity::warning);
  REQUIRE(other.detail == "rx_errors besides overruns +1, rx_fifo_errors +1000");
}

TEST_CASE("nic_errors: counters that read all ones are a device that is gone") {
  const Params params(ok(complete_params(find_check("nic_errors")->info.params, Json::object())));
  CheckMemory memory;
  Link link;
  const auto read = [&] {
    memory.begin(memory.now_ns() + kNsPerS);
    return judge_link_counters("eth0", link, params, memory);
  };
  link.errors.counts[2] = -1;  // one that it never had
  read();
  link.errors.counts[4] = 3;
  REQUIRE(read().detail == "rx_crc_errors +3");
  link.errors.counts[4] = -1;
  REQUIRE(read().severity == Severity::ok);
  link.traffic.rx_dropped = 0xffffffff;
  const Outcome gone = read();
  REQUIRE(gone.severity == Severity::critical);
  REQUIRE(gone.detail == "2 of its counters read all ones: the device does not answer");
  link.errors.counts[4] = 3, link.traffic.rx_dropped = 0;
  REQUIRE(read().severity == Severity::ok);
}
