#include <fstream>

#include "harness/os/netlink.hpp"
#include "tests/temp_directory.hpp"
#include "tests/unit/health/check_reading.hpp"

using namespace grit;
using grit::test::ok;

namespace {

/// A node with one InfiniBand port in use and one without a cable.
struct Fabric {
  test::TempDirectory sys{};
  test::CheckUnderTest check{"rdma_ports"};

  Fabric() {
    check.sys = sys.path();
    check.node.nics = {{.name = "ib0", .role = NicRole::data, .rdma = RdmaPort{"mlx5_0", 1, "InfiniBand"}}};
    for (const char* device : {"mlx5_0", "mlx5_1"}) {
      set("link_layer", "InfiniBand", device);
      set("rate", "400 Gb/sec (4X NDR)", device);
      for (const char* counter :
           {"link_downed", "symbol_error", "port_xmit_discards", "excessive_buffer_overrun_errors"})
        set(std::string("counters/") + counter, "3", device);
      set("hw_counters/out_of_sequence", "100", device);
    }
    set("state", "4: ACTIVE"), set("phys_state", "5: LinkUp");
    set("state", "1: DOWN", "mlx5_1"), set("phys_state", "2: Polling", "mlx5_1");
  }

  void set(const std::string& name, const std::string& text, const std::string& device = "mlx5_0") const {
    const auto file = sys.path() / "class/infiniband" / device / "ports/1" / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text << "\n";
  }
  Outcome after(const std::string& name, const std::string& text, std::int64_t after_ns = kNsPerS) {
    set(name, text);
    return check.read_of("mlx5_0/1", after_ns);
  }
};

}  // namespace

TEST_CASE("rdma_ports: state, rate and counters of the ports in use") {
  Fabric fabric;
  REQUIRE(fabric.check.read().size() == 2);
  REQUIRE(fabric.check.read_of("mlx5_0/1").detail == "is active");
  REQUIRE(fabric.check.read_of("mlx5_1/1").severity == Severity::ok);  // without a cable, as it was
  const Outcome down = fabric.after("state", "1: DOWN");
  REQUIRE(down.severity == Severity::critical);
  REQUIRE(down.detail == "state 1: DOWN, physical 5: LinkUp");
  REQUIRE(fabric.after("state", "2: INIT").hint == "is there a subnet manager?");
  REQUIRE(fabric.after("state", "4: ACTIVE").severity == Severity::ok);
  REQUIRE(fabric.after("phys_state", "6: LinkErrorRecovery").severity == Severity::critical);
  fabric.set("phys_state", "5: LinkUp");
  REQUIRE(fabric.after("rate", "100 Gb/sec (1X NDR)").detail == "100 Gb/sec (1X NDR), was 400 Gb/sec");
  fabric.set("rate", "400 Gb/sec (4X NDR)");
  REQUIRE(fabric.after("counters/link_downed", "4").detail == "link_downed +1");
  REQUIRE(fabric.after("counters/port_xmit_discards", "103").severity == Severity::ok);  // no more than 100 in a second
  REQUIRE(fabric.after("counters/port_xmit_discards", "204").severity == Severity::warning);
  REQUIRE(fabric.after("hw_counters/out_of_sequence", "105").severity == Severity::warning);
  REQUIRE(fabric.after("hw_counters/out_of_sequence", "0").severity == Severity::ok);  // reset
  // At a block's end: no rate of 100 a second.
  REQUIRE(fabric.after("hw_counters/out_of_sequence", "1", 10 * kNsPerMs).severity == Severity::ok);
}

TEST_CASE("rdma_ports: what a sender counts is said to tell of the other end") {
  Fabric fabric;
  for (const char* counter : {"packet_seq_err", "rnr_nak_retry_err"})
    fabric.set(std::string("hw_counters/") + counter, "0");
  fabric.check.read();
  const Outcome sent = fabric.after("hw_counters/packet_seq_err", "3");
  REQUIRE(sent.severity == Severity::warning);
  REQUIRE(sent.detail == "packet_seq_err +3 in a second; that tells of the other end, or of the way to it");
  fabric.set("hw_counters/packet_seq_err", "6");
  REQUIRE(fabric.after("hw_counters/out_of_sequence", "103").detail ==
          "out_of_sequence +3 in a second, packet_seq_err +3 in a second; packet_seq_err tells of the other end, or of "
          "the way to it");
  REQUIRE(fabric.after("hw_counters/out_of_sequence", "106").detail == "out_of_sequence +3 in a second");
  REQUIRE(fabric.after("hw_counters/rnr_nak_retry_err", "1").severity == Severity::ok);
  REQUIRE(fabric.after("hw_counters/rnr_nak_retry_err", "9").severity == Severity::warning);
}

TEST_CASE("rdma_ports: symbol errors have an hour") {
  Fabric fabric;
  fabric.check.read();
  int count = 3;
  for (int minute = 0; minute < 24; ++minute)
    REQUIRE(fabric.after("counters/symbol_error", std::to_string(count += 5), 60 * kNsPerS).severity == Severity::ok);
  REQUIRE(fabric.after("counters/symbol_error", std::to_string(count + 1), 60 * kNsPerS).severity ==
          Severity::critical);
  REQUIRE(fabric.check.read_of("mlx5_0/1", 3700 * kNsPerS).severity == Severity::ok);
}

TEST_CASE("rdma_ports: recoveries of a link have a minute, however far readings are apart") {
  Fabric fabric;
  fabric.set("counters/link_error_recovery", "0");
  fabric.check.read();
  int count = 0;
  for (int reading = 0; reading < 5; ++reading)  // one every two seconds: five are no more than five a minute
    REQUIRE(fabric.after("counters/link_error_recovery", std::to_string(++count), 2 * kNsPerS).severity ==
            Severity::ok);
  const Outcome sixth = fabric.after("counters/link_error_recovery", std::to_string(++count), 2 * kNsPerS);
  REQUIRE(sixth.severity == Severity::warning);
  REQUIRE(sixth.detail == "link_error_recovery +6 within a minute");
  REQUIRE(fabric.check.read_of("mlx5_0/1", 70 * kNsPerS).severity == Severity::ok);
  // Five minutes between two calls of a health check.
  REQUIRE(fabric.after("counters/link_error_recovery", std::to_string(count += 25), 300 * kNsPerS).severity ==
          Severity::ok);
  REQUIRE(fabric.after("counters/link_error_recovery", std::to_string(count += 26), 300 * kNsPerS).severity ==
          Severity::warning);
}

TEST_CASE("rdma_ports: a counter at its end is blind, all ones are a device that is gone") {
  Fabric fabric;
  fabric.check.read();
  REQUIRE(fabric.after("counters/excessive_buffer_overrun_errors", "15").severity == Severity::critical);
  const Outcome blind = fabric.check.read_of("mlx5_0/1");
  REQUIRE(blind.severity == Severity::unknown);
  REQUIRE(blind.detail == "excessive_buffer_overrun_errors stands at its largest value: blind until it is reset");
  fabric.set("counters/excessive_buffer_overrun_errors", "0");
  fabric.set("hw_counters/packet_seq_err", "4294967295");  // one that it never had
  // One counter alone, though two rules read it.
  REQUIRE(fabric.after("counters/symbol_error", "18446744073709551615").severity == Severity::ok);
  REQUIRE(fabric.after("counters/link_downed", "18446744073709551615").detail == "is gone, or does not answer");
  std::filesystem::remove_all(fabric.sys.path() / "class/infiniband/mlx5_0");
  REQUIRE(fabric.check.read_of("mlx5_0/1").severity == Severity::critical);
}

TEST_CASE("rdma_ports: hostile files, no device, and a port of a NIC that is not looked at") {
  Fabric fabric;
  fabric.check.read();
  fabric.set("rate", "1e999 Gb/sec");
  fabric.set("hw_counters/out_of_sequence", "\xff\xff");
  fabric.set("counters/symbol_error", std::string(100'000, '9'));
  REQUIRE(fabric.after("counters/link_downed", "-1").severity == Severity::ok);
  REQUIRE(fabric.after("state", "\x1b[31m").severity == Severity::critical);
  fabric.check.node.nics[0].role = NicRole::management;
  fabric.check.node.nics.push_back({.name = "eth0", .role = NicRole::data});
  for (const Outcome& one : fabric.check.read()) REQUIRE(one.subject == "mlx5_1/1");
  fabric.check.sys = "/nowhere";
  REQUIRE(fabric.check.read_one().not_here);
}

// In a guest of tests/vm, whose eth0 has a software RDMA device.
TEST_CASE("rdma_ports: a real device whose NIC is set down", "[.guest]") {
  test::CheckUnderTest check("rdma_ports");
  check.node.nics = {{.name = "eth0", .role = NicRole::data, .rdma = RdmaPort{"rxe0", 1, "Ethernet"}}};
  REQUIRE(check.read_of("rxe0/1").severity == Severity::ok);
  Netlink netlink = ok(Netlink::open());
  const int eth0 = ok(netlink.link("eth0")).ifindex;
  ok(netlink.set_down(eth0));
  const Outcome down = check.read_of("rxe0/1");
  REQUIRE(down.severity == Severity::critical);
  test::proves("rdma_ports", down);
  ok(netlink.set_up(eth0));
}
