#include <linux/pkt_sched.h>

#include "harness/os/tc.hpp"
#include "tests/two_nodes.hpp"
#include "tests/unit/health/check_reading.hpp"
#include "tests/unit/health/tcp_stream.hpp"

using namespace grit;
using grit::test::ok;

namespace {

constexpr std::uint32_t kHandle = 0x77000000;

test::CheckUnderTest check_of_eth0() {
  test::CheckUnderTest check("qdisc_drops");
  check.node.nics = {{.name = "eth0", .role = NicRole::data}};
  return check;
}

/// Small datagrams to whoever has the address.
void send_datagrams(int count) {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(9);
  ::inet_pton(AF_INET, "10.77.1.9", &to.sin_addr);  // a permanent neighbour
  const std::string datagram(500, 'x');
  for (int i = 0; i < count; ++i)
    ::sendto(socket.get(), datagram.data(), datagram.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
}

}  // namespace

TEST_CASE("qdisc_drops: another root than before, what it holds back and what it drops") {
  test::in_namespaces([] {
    test::without_dad();
    test::TwoNodes nodes;
    Tc tc = ok(Tc::open());
    auto check = check_of_eth0();
    const Outcome first = check.read_of("eth0");
    REQUIRE(first.severity == Severity::ok);
    REQUIRE(first.detail == "noqueue");
    send_datagrams(50);
    REQUIRE(check.read_of("eth0").severity == Severity::ok);
    ok(tc.replace_root(nodes.eth0, kHandle,
                       TcTbf{.rate_bits_per_s = 8'000'000, .burst_bytes = 5'000, .limit_bytes = 5'000}));
    const Outcome other = check.read_of("eth0");  // nothing was sent yet
    REQUIRE(other.severity == Severity::warning);
    test::proves("qdisc_drops", other);
    REQUIRE(other.detail == "tbf; was noqueue");
    send_datagrams(200);
    const Outcome dropped = check.read_of("eth0");
    REQUIRE(dropped.severity == Severity::warning);
    INFO(dropped.detail);
    REQUIRE(dropped.detail.find("; dropped ") != std::string::npos);
    REQUIRE(dropped.detail.find("a second back for their rate") != std::string::npos);
    REQUIRE(dropped.value > 0.1);
    ok(tc.delete_root(nodes.eth0));
    REQUIRE(check.read_of("eth0").severity == Severity::ok);
  });
}

TEST_CASE("qdisc_drops: a rate that was there before is no news until it holds packets back") {
  test::in_namespaces([] {
    test::without_dad();
    test::TwoNodes nodes;
    Tc tc = ok(Tc::open());
    ok(tc.replace_root(nodes.eth0, kHandle,
                       TcTbf{.rate_bits_per_s = 8'000'000, .burst_bytes = 5'000, .limit_bytes = 500'000}));
    auto check = check_of_eth0();
    REQUIRE(check.read_of("eth0").severity == Severity::ok);
    send_datagrams(2);
    REQUIRE(check.read_of("eth0").severity == Severity::ok);
    send_datagrams(200);
    const Outcome held = check.read_of("eth0");
    REQUIRE(held.severity == Severity::warning);
    REQUIRE(held.detail.find("dropped") == std::string::npos);
  });
}

TEST_CASE("qdisc_drops: looks at what a NIC stands on") {
  test::in_namespaces([] {
    test::without_dad();
    test::TwoNodes nodes;
    ok(nodes.node.create_bridge("br0"));
    Tc tc = ok(Tc::open());
    test::CheckUnderTest check("qdisc_drops");
    check.node.nics = {{.name = "br0", .role = NicRole::data, .lower = {"eth0"}}, {.name = "eth0", .up = true}};
    REQUIRE(check.read_of("eth0").severity == Severity::ok);
    ok(tc.replace_root(nodes.eth0, kHandle,
                       TcTbf{.rate_bits_per_s = 8'000'000, .burst_bytes = 5'000, .limit_bytes = 5'000}));
    REQUIRE(check.read_of("eth0").severity == Severity::warning);
  });
}

TEST_CASE("qdisc_drops: netem alarms also when it was there before") {
  test::in_namespaces([] {
    test::without_dad();
    test::TwoNodes nodes;
    Tc tc = ok(Tc::open());
    if (const auto why = tc.why_not(nodes.eth0, "netem")) {
      test::skip(*why);
      return;
    }
    ok(tc.replace_root(nodes.eth0, kHandle, TcNetem{.loss = 0.5}));
    auto check = check_of_eth0();
    REQUIRE(check.read_of("eth0").severity == Severity::warning);
    send_datagrams(200);
    REQUIRE(check.read_of("eth0").detail.find("dropped") != std::string::npos);
  });
}

TEST_CASE("qdisc_drops: a NIC without a qdisc, one that is gone, and none") {
  test::in_namespaces([] {
    ok(ok(Netlink::open()).create_veth({.name = "eth0"}, {.name = "port0"}));
    auto check = check_of_eth0();
    REQUIRE(check.read_of("eth0").severity == Severity::ok);
    check.node.nics[0].name = "eth1";
    REQUIRE(check.read_of("eth1").severity == Severity::unknown);
    check.node.nics.clear();
    REQUIRE(check.read_one().not_here);
  });
}
