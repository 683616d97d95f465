#include <fstream>

#include "harness/os/nftables.hpp"
#include "tests/temp_directory.hpp"
#include "tests/two_nodes.hpp"
#include "tests/unit/health/check_reading.hpp"
#include "tests/unit/health/tcp_stream.hpp"

using namespace grit;
using grit::test::ok;

namespace {

/// A /proc whose counters are the test's.
class Counters {
 public:
  std::map<std::string, std::int64_t> tcp{{"OutSegs", 0}, {"RetransSegs", 0}},
      ext{{"TCPTimeouts", 0}, {"TCPSynRetrans", 0}, {"TCPAbortOnTimeout", 0}, {"ListenDrops", 0}},
      udp{{"InDatagrams", 0}, {"RcvbufErrors", 0}};

  const std::filesystem::path& write() {
    const auto net = proc_.path() / "thread-self/net";
    std::filesystem::create_directories(net);
    std::ofstream(net / "snmp") << group("Tcp:", tcp) << group("Udp:", udp);
    std::ofstream(net / "netstat") << group("TcpExt:", ext);
    return proc_.path();
  }
  void write_raw(const std::string& snmp) { std::ofstream(proc_.path() / "thread-self/net/snmp") << snmp; }

 private:
  static std::string group(const std::string& name, const std::map<std::string, std::int64_t>& figures) {
    std::string names = name, values = name;
    for (const auto& [key, value] : figures) names += " " + key, values += " " + std::to_string(value);
    return names + "\n" + values + "\n";
  }
  test::TempDirectory proc_{};
};

/// The reading after these have come since the last one.
struct Reader {
  Counters counters{};
  test::CheckUnderTest check{"tcp_retransmits"};

  Reader() {
    check.proc = counters.write();
    check.read();
  }
  Outcome after(std::map<std::string, std::int64_t> tcp, std::map<std::string, std::int64_t> ext = {},
                std::int64_t after_ns = kNsPerS) {
    for (const auto& [name, more] : tcp) counters.tcp[name] += more;
    for (const auto& [name, more] : ext) counters.ext[name] += more;
    counters.write();
    return check.read_of("tcp", after_ns);
  }
};

}  // namespace

TEST_CASE("tcp_retransmits: a share of the segments, timeouts, and what was lost to full queues") {
  Reader reader;
  REQUIRE(reader.after({{"OutSegs", 10'000}, {"RetransSegs", 99}}).severity == Severity::ok);
  const Outcome some = reader.after({{"OutSegs", 990}, {"RetransSegs", 10}});
  REQUIRE(some.severity == Severity::warning);
  REQUIRE(some.detail == "sent 10 of 1000 segments again");
  REQUIRE(some.value == 0.01);
  REQUIRE(reader.after({{"OutSegs", 900}, {"RetransSegs", 100}}).severity == Severity::critical);
  REQUIRE(reader.after({{"OutSegs", 99}, {"RetransSegs", 50}}).severity == Severity::ok);  // too few for a share
  // Connections to a host that does not answer.
  REQUIRE(
      reader.after({{"OutSegs", 200}, {"RetransSegs", 40}}, {{"TCPTimeouts", 40}, {"TCPSynRetrans", 40}}).severity ==
      Severity::ok);
  REQUIRE(reader.after({{"OutSegs", 1}}, {{"TCPTimeouts", 1}}).detail == "1 timeout");
  REQUIRE(reader.after({}, {{"TCPAbortOnTimeout", 1}}).severity == Severity::warning);
  REQUIRE(reader.after({}, {{"ListenDrops", 3}}).detail == "TcpExt.ListenDrops +3");
  REQUIRE(reader.after({}).severity == Severity::ok);
  reader.counters.udp = {{"InDatagrams", 100}, {"RcvbufErrors", 2}};
  reader.counters.write();
  REQUIRE(reader.check.read_of("udp").severity == Severity::warning);
}

TEST_CASE("tcp_retransmits: right after a reading there is no share, and minutes after one a few timeouts are usual") {
  Reader reader;
  // As at a block's end: a rate of 400 segments a second, over 10 ms.
  REQUIRE(reader.after({{"OutSegs", 4}, {"RetransSegs", 1}}, {}, 10 * kNsPerMs).severity == Severity::ok);
  REQUIRE(reader.after({{"OutSegs", 90}, {"RetransSegs", 60}}, {}, 10 * kNsPerMs).severity == Severity::ok);
  REQUIRE(reader.after({{"OutSegs", 200}, {"RetransSegs", 60}}, {}, 10 * kNsPerMs).severity == Severity::critical);
  const std::int64_t five_minutes_ns = 300 * kNsPerS;
  for (const char* counter : {"TCPTimeouts", "TCPAbortOnTimeout", "ListenDrops"}) {
    INFO(counter);
    REQUIRE(reader.after({}, {{counter, 49}}, five_minutes_ns).severity == Severity::ok);
    REQUIRE(reader.after({}, {{counter, 50}}, five_minutes_ns).severity == Severity::warning);
    REQUIRE(reader.after({}, {{counter, 1}}, 5 * kNsPerS).severity == Severity::warning);
    REQUIRE(reader.after({}, {{counter, 1}}, 10 * kNsPerMs).severity == Severity::warning);
    REQUIRE(reader.after({}, {}, five_minutes_ns).severity == Severity::ok);
  }
  reader.counters.udp = {{"InDatagrams", 3}, {"RcvbufErrors", 1}};
  reader.counters.write();
  REQUIRE(reader.check.read_of("udp").severity == Severity::ok);
}

TEST_CASE("tcp_retransmits: the first reading, counters that start anew, and files that are none of the kernel's") {
  Reader reader;
  reader.after({{"OutSegs", 100'000}, {"RetransSegs", 50'000}});
  reader.check.memory.clear();
  REQUIRE(reader.check.read_of("tcp").detail == "first reading");
  reader.counters.tcp["RetransSegs"] = 5;
  REQUIRE(reader.after({{"OutSegs", 10'000}}).severity == Severity::ok);
  for (const std::int64_t none : {INT64_MIN, INT64_MAX, std::int64_t{-1}}) {
    reader.counters.tcp["RetransSegs"] = reader.counters.ext["TCPTimeouts"] = reader.counters.ext["TCPSynRetrans"] =
        none;
    REQUIRE(reader.after({{"OutSegs", 10'000}}).severity == Severity::ok);
  }
  for (const std::string& snmp : {std::string("Tcp: OutSegs RetransSegs\nTcp: 99999999999999999999 x\n"),
                                  std::string("Tcp: OutSegs RetransSegs\nTcp:"), std::string("\xff\x00\n:\n: :", 9),
                                  std::string(), std::string("Tcp:\nTcp:\n") + std::string(100'000, ' ')}) {
    reader.counters.write_raw(snmp);
    REQUIRE_FALSE(reader.check.try_read().has_value());
  }
  reader.check.proc = "/nowhere";
  REQUIRE_FALSE(reader.check.try_read().has_value());
}

TEST_CASE("tcp_retransmits: a connection whose segments are lost on their way is seen, and named") {
  test::in_namespaces([] {
    test::without_dad();
    test::TwoNodes nodes;
    test::TcpStream stream(nodes);
    test::CheckUnderTest check("tcp_retransmits");
    check.read();
    stream.send_and_receive(200);
    REQUIRE(check.read_of("tcp").severity == Severity::ok);
    std::optional<DropTable> table;
    ok(run_in_netns(nodes.switch_netns.get(), [&]() -> Status {
      GRIT_TRY(table, DropTable::open({{.incoming = true, .interface = "port0"}}));
      return table->install();
    }));
    stream.send();
    Outcome lost;
    for (const std::int64_t end_ns = monotonic_ns() + 5 * kNsPerS; lost.severity != Severity::warning;) {
      REQUIRE(monotonic_ns() < end_ns);
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      lost = check.read_of("tcp");
    }
    REQUIRE(lost.detail == "1 timeout");
    test::proves("tcp_retransmits", lost);
    REQUIRE(lost.hint.find("10.77.1.1 to 10.77.1.254") != std::string::npos);
    ok(table->remove());
  });
}
