#include <arpa/inet.h>
#include <sys/socket.h>

#include <fstream>

#include "tests/temp_directory.hpp"
#include "tests/unit/health/check_reading.hpp"

using namespace grit;
using grit::test::ok;

namespace {

/// A machine whose tables are a third full.
class Tables {
 public:
  Tables() {
    write("thread-self/net/snmp", "Tcp: RetransSegs\nTcp: 0\n");
    write("thread-self/net/netstat", "TcpExt: TCPTimeWaitOverflow\nTcpExt: 5\n");
    neighbours(0x100, 0);
    write("thread-self/net/stat/ndisc_cache", "entries  allocs\n00000001 00000002\n");
    write("sys/net/ipv4/neigh/default/gc_thresh3", "1024\n");
    write("sys/net/ipv6/neigh/default/gc_thresh3", "1024\n");
    conntrack(1000, 7);
    write("sys/net/netfilter/nf_conntrack_max", "262144\n");
    sockets(9000, 100, 1000);
    write("thread-self/net/sockstat6", "TCP6: inuse 10\n");
    write("sys/net/ipv4/ip_local_port_range", "32768\t60999\n");
    write("sys/net/ipv4/ip_local_reserved_ports", "70,40000-40099,50000\n");
    write("sys/net/ipv4/tcp_max_tw_buckets", "131072\n");
    write("sys/net/ipv4/tcp_mem", "287901\t383868\t575802\n");
    write("sys/fs/file-nr", "1790\t0\t2466177\n");
    write("loadavg", "0.32 0.29 0.31 1/156 4711\n");
    write("sys/kernel/pid_max", "32768\n");
    write("sys/kernel/threads-max", "192730\n");
    check.proc = proc_.path();
  }

  void write(const std::string& name, const std::string& text) const {
    const auto file = proc_.path() / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  void remove(const std::string& name) const { std::filesystem::remove(proc_.path() / name); }
  void neighbours(int entries, int full) const {
    write("thread-self/net/stat/arp_cache",
          fmt::format("entries  allocs   table_fulls\n{0:08x} 0000816c 00000001\n{0:08x} 0000b17f {1:08x}\n", entries,
                      full));
  }
  void conntrack(int entries, int drops) const {
    write("sys/net/netfilter/nf_conntrack_count", fmt::format("{}\n", entries));
    write("thread-self/net/stat/nf_conntrack",
          fmt::format("entries  drop early_drop\n00000000 {:08x} 00000000\n", drops));
  }
  void sockets(int in_use, int waiting, int memory) const {
    write("thread-self/net/sockstat",
          fmt::format("sockets: used 15\nTCP: inuse {} orphan 0 tw {} alloc 29 mem {}\nUDP: inuse 0 mem 0\n", in_use,
                      waiting, memory));
  }

  test::CheckUnderTest check{"net_tables"};

 private:
  test::TempDirectory proc_{};
};

}  // namespace

TEST_CASE("net_tables: says of each table how full it is") {
  Tables tables;
  const auto outcomes = tables.check.read();
  REQUIRE(outcomes.size() == 8);
  for (const Outcome& one : outcomes) {
    INFO(one.subject);
    REQUIRE(one.severity == Severity::ok);
  }
  REQUIRE(tables.check.read_of("arp_cache").detail == "256 of 1024");
  REQUIRE(tables.check.read_of("arp_cache").value == 0.25);
  REQUIRE(tables.check.read_of("tcp ports").detail == "9110 of 28131");  // 101 of 28,232 are reserved
  REQUIRE(tables.check.read_of("tasks").detail == "156 of 32768");
  REQUIRE(tables.check.read_of("conntrack").detail == "1000 of 262144");
}

TEST_CASE("net_tables: alarms for one that is nearly full, and is critical for what one lost") {
  Tables tables;
  tables.check.read();
  tables.neighbours(800, 0);
  REQUIRE(tables.check.read_of("arp_cache").severity == Severity::warning);
  tables.neighbours(800, 3);
  const Outcome full = tables.check.read_of("arp_cache");
  REQUIRE(full.severity == Severity::critical);
  REQUIRE(full.detail == "table_fulls +3: it is full; 800 of 1024");
  tables.neighbours(800, 1);  // of another boot
  REQUIRE(tables.check.read_of("arp_cache").severity == Severity::warning);
  tables.conntrack(1000, 8);  // as when two packets open the same connection at once
  const Outcome clash = tables.check.read_of("conntrack");
  REQUIRE(clash.severity == Severity::warning);
  REQUIRE(clash.detail == "drop +1: packets that are tracked were dropped; 1000 of 262144");
  tables.conntrack(250'000, 9);
  const Outcome tracked = tables.check.read_of("conntrack");
  REQUIRE(tracked.severity == Severity::critical);
  REQUIRE(tracked.detail == "drop +1: it is full; 250000 of 262144");
  tables.conntrack(1000, 9);
  REQUIRE(tables.check.read_of("conntrack").severity == Severity::ok);
  tables.sockets(10'000, 12'000, 400'000);
  REQUIRE(tables.check.read_of("tcp ports").severity == Severity::warning);
  REQUIRE(tables.check.read_of("tcp memory").severity == Severity::warning);  // above the second of the three
  tables.sockets(1, 1, 600'000);
  REQUIRE(tables.check.read_of("tcp memory").severity == Severity::critical);
  tables.write("thread-self/net/netstat", "TcpExt: TCPTimeWaitOverflow\nTcpExt: 6\n");
  REQUIRE(tables.check.read_of("tcp time-wait").severity == Severity::warning);
  tables.write("sys/fs/file-nr", "2400000\t0\t9223372036854775807\n");  // as systemd has it
  REQUIRE(tables.check.read_of("open files").severity == Severity::ok);
  REQUIRE(tables.check.read_of("open files").detail == "2400000 of 9223372036854775807");
  tables.write("sys/fs/file-nr", "2400000\t0\t2466177\n");
  REQUIRE(tables.check.read_of("open files").severity == Severity::critical);
  tables.write("loadavg", "0.32 0.29 0.31 1/30000 4711\n");
  REQUIRE(tables.check.read_of("tasks").severity == Severity::warning);
}

TEST_CASE("net_tables: a namespace that runs out of ports") {
  test::in_namespaces([] {
    Netlink netlink = ok(Netlink::open());
    ok(netlink.set_up(ok(netlink.link("lo")).ifindex));
    test::detail::write_text("/proc/sys/net/ipv4/ip_local_port_range", "32768 32799");
    test::CheckUnderTest check("net_tables");
    REQUIRE(check.read_of("tcp ports").detail == "0 of 32");
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(7001);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const auto* address = reinterpret_cast<const sockaddr*>(&to);
    const Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::bind(listener.get(), address, sizeof to) == 0);
    REQUIRE(::listen(listener.get(), 32) == 0);
    std::vector<Fd> connections;
    for (int i = 0; i < 12; ++i) {  // each has two ends here
      connections.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      REQUIRE(::connect(connections.back().get(), address, sizeof to) == 0);
    }
    const Outcome full = check.read_of("tcp ports");
    REQUIRE(full.severity == Severity::warning);
    REQUIRE(full.detail == "25 of 32");
    test::proves("net_tables", full);
  });
}

TEST_CASE("net_tables: nodes that may be one machine leave its open files and tasks out") {
  Tables tables;
  tables.write("sys/fs/file-nr", "2400000\t0\t2466177\n");
  tables.write("loadavg", "0.32 0.29 0.31 1/30000 4711\n");
  const auto alarms = [&] {
    const auto outcomes = tables.check.read();
    return std::count_if(outcomes.begin(), outcomes.end(), [](const Outcome& one) { return is_alarm(one.severity); });
  };
  tables.check.peers.resize(2);
  REQUIRE(alarms() == 2);  // machines of their own
  tables.remove("thread-self/net/stat/arp_cache");
  REQUIRE(alarms() == 0);
  tables.check.peers.resize(1);  // nobody to share with
  REQUIRE(alarms() == 2);
}

TEST_CASE("net_tables: what is not shown here is not here, and what is no number is none") {
  Tables tables;
  tables.remove("thread-self/net/stat/arp_cache");
  tables.remove("sys/net/netfilter/nf_conntrack_max");
  tables.remove("sys/net/ipv4/tcp_mem");
  REQUIRE(tables.check.read_of("arp_cache").not_here);
  REQUIRE(tables.check.read_of("conntrack").not_here);
  REQUIRE(tables.check.read_of("tcp memory").not_here);
  tables.write("thread-self/net/stat/arp_cache", "entries\nffffffffffffffffffff\n-1\n" + std::string(10'000, '\xff'));
  tables.write("sys/net/ipv4/ip_local_port_range", "60999 32768");
  tables.write("sys/fs/file-nr", "a b c");
  tables.write("loadavg", "/");
  tables.write("thread-self/net/sockstat", "TCP: inuse");
  for (const Outcome& one : tables.check.read()) REQUIRE_FALSE(is_alarm(one.severity));
  tables.write("thread-self/net/sockstat", "TCP: inuse 9223372036854775807 tw 9223372036854775807\n");
  tables.write("sys/net/ipv4/ip_local_reserved_ports", "9223372036854775807,0-9223372036854775807");
  tables.check.read();
  tables.write("sys/net/ipv4/neigh/default/gc_thresh3", "0");
  tables.neighbours(5, 0);
  REQUIRE(tables.check.read_of("arp_cache").not_here);
}

TEST_CASE("net_tables: this machine's") {
  test::CheckUnderTest check("net_tables");
  for (int i = 0; i < 2; ++i)
    for (const Outcome& one : check.read()) REQUIRE(one.severity != Severity::critical);
  test::in_namespaces([] {
    test::CheckUnderTest inside("net_tables");
    REQUIRE(inside.read_of("arp_cache").not_here);
    REQUIRE(inside.read_of("tcp ports").severity == Severity::ok);
  });
}
