// The kernel's counters of IP, TCP and UDP.
#include <arpa/inet.h>
#include <sys/socket.h>

#include <fstream>

#include "harness/os/snmp.hpp"
#include "tests/namespace.hpp"
#include "tests/temp_directory.hpp"

using namespace grit;
using grit::test::ok;

TEST_CASE("network counters are found by group and name, whatever their order") {
  const test::TempDirectory proc;
  const auto net = proc.path() / "thread-self/net";
  std::filesystem::create_directories(net);
  std::ofstream(net / "snmp") << "Ip: Forwarding FragCreates\nIp: 2 7\nTcp: MaxConn OutSegs Strange\nTcp: -1 12 x\n";
  std::ofstream(net / "netstat") << "TcpExt: TCPTimeouts More\nTcpExt: 3\nTcpExt: TCPTimeouts\n";
  REQUIRE(ok(read_network_counters(proc.path())) == std::map<std::string, std::int64_t>{{"Ip.Forwarding", 2},
                                                                                        {"Ip.FragCreates", 7},
                                                                                        {"Tcp.MaxConn", -1},
                                                                                        {"Tcp.OutSegs", 12},
                                                                                        {"TcpExt.TCPTimeouts", 3}});
  std::filesystem::remove(net / "netstat");
  REQUIRE_FALSE(read_network_counters(proc.path()).has_value());
}

TEST_CASE("network counters of this kernel") {
  const auto counters = ok(read_network_counters());
  for (const char* name : {"Tcp.OutSegs", "Tcp.RetransSegs", "Udp.InDatagrams", "TcpExt.TCPTimeouts",
                           "TcpExt.TCPSynRetrans", "TcpExt.TCPAbortOnTimeout"}) {
    INFO(name);
    CHECK(counters.contains(name));
  }
}

TEST_CASE("fragments are counted, of IPv4 and IPv6 together") {
  test::in_namespaces([] {
    Netlink netlink = ok(Netlink::open());
    const int lo = ok(netlink.link("lo")).ifindex;
    ok(netlink.set_up(lo));
    ok(netlink.set_mtu(lo, 1500));
    REQUIRE(ok(read_fragment_counters()).made == 0);
    const std::string datagram(4000, 'x');
    sockaddr_in four{};
    four.sin_family = AF_INET, four.sin_port = htons(9), four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ::sendto(socket.get(), datagram.data(), datagram.size(), 0, reinterpret_cast<const sockaddr*>(&four), sizeof four);
    REQUIRE(ok(read_fragment_counters()).made == 3);
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6, six.sin6_port = htons(9), six.sin6_addr = in6addr_loopback;
    const Fd other(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!other) return;  // a kernel without IPv6
    ::sendto(other.get(), datagram.data(), datagram.size(), 0, reinterpret_cast<const sockaddr*>(&six), sizeof six);
    REQUIRE(ok(read_fragment_counters()).made == 6);
  });
}
