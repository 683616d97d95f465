// The kernel's counters of IP, TCP and UDP.
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
