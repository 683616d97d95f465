// Faults made by the kernel's own means: which of the checks of the network see each, and that the others stay silent.
#include <set>

#include "harness/os/nftables.hpp"
#include "harness/os/tc.hpp"
#include "tests/two_nodes.hpp"
#include "tests/unit/health/check_reading.hpp"
#include "tests/unit/health/tcp_stream.hpp"

using namespace grit;
using grit::test::ok;

namespace {

using Names = std::set<std::string>;

/// A node of four that are alike, which sends to its switch; all checks of the network at once.
class Site {
 public:
  Site() {
    Nic nic{.name = "eth0", .driver = "veth", .up = true, .role = NicRole::data};
    nic.speed_bits_per_s = 10'000'000'000, nic.mtu_bytes = 1500;
    nic.addresses = {"10.77.1.1/24"};
    for (const char* name : {"link_up", "link_carrier", "link_settings", "nic_errors", "nic_queues", "qdisc_drops",
                             "tcp_retransmits", "net_tables", "rdma_ports", "peers"}) {
      test::CheckUnderTest& check = checks_.emplace(name, name).first->second;
      check.node.nics = {nic};
      for (int i = 0; i < 4; ++i)
        check.peers.push_back({.index = i, .name = "node" + std::to_string(i), .nics = {nic}});
    }
  }

  /// Those that alarm at a reading.
  Names alarms() {
    Names names;
    for (auto& [name, check] : checks_)
      if (is_alarm(worst_of(check.read()))) names.insert(name);
    return names;
  }
  /// What one says, at another reading.
  Outcome alarm_of(const std::string& name) {
    std::vector<Outcome> outcomes = checks_.at(name).read();
    return *std::max_element(outcomes.begin(), outcomes.end(), [](const Outcome& a, const Outcome& b) {
      return is_alarm(b.severity) && !is_alarm(a.severity);
    });
  }
  /// A block begins, with the readings at its start.
  Names begin_block() {
    for (auto& [name, check] : checks_) check.memory.clear();
    return alarms();
  }

  test::TwoNodes nodes{};
  int port0 = ok(nodes.far.link("port0")).ifindex;
  test::TcpStream stream{nodes};

 private:
  std::map<std::string, test::CheckUnderTest> checks_{};
};

}  // namespace

TEST_CASE("checks of the network: each fault is seen by those whose business it is, and by no others") {
  test::in_namespaces([] {
    test::without_dad();
    Site site;
    REQUIRE(site.begin_block() == Names{});
    site.stream.send_and_receive(300);
    REQUIRE(site.alarms() == Names{});

    ok(site.nodes.far.set_down(site.port0));  // a flap
    ok(site.nodes.far.set_up(site.port0));
    test::wait_until_up(site.nodes.node, "eth0");
    REQUIRE(site.alarms() == Names{"link_carrier"});

    REQUIRE(site.begin_block() == Names{});
    ok(site.nodes.far.set_down(site.port0));
    REQUIRE(site.alarms() == Names{"link_carrier", "link_up"});
    ok(site.nodes.far.set_up(site.port0));
    test::wait_until_up(site.nodes.node, "eth0");

    REQUIRE(site.begin_block() == Names{});
    ok(site.nodes.node.set_mtu(site.nodes.eth0, 1400));
    site.stream.send_and_receive(300);
    REQUIRE(site.alarms() == Names{"link_settings", "peers"});
    test::proves("peers", site.alarm_of("peers"));
    ok(site.nodes.node.set_mtu(site.nodes.eth0, 1500));
    REQUIRE(site.alarms() == Names{});

    REQUIRE(site.begin_block() == Names{});
    Tc tc = ok(Tc::open());
    ok(tc.replace_root(site.nodes.eth0, 0x77000000,
                       TcTbf{.rate_bits_per_s = 1'000'000'000, .burst_bytes = 100'000, .limit_bytes = 1'000'000}));
    REQUIRE(site.alarms() == Names{"qdisc_drops"});
    ok(tc.delete_root(site.nodes.eth0));
    REQUIRE(site.alarms() == Names{});

    REQUIRE(site.begin_block() == Names{});
    std::optional<DropTable> table;
    ok(run_in_netns(site.nodes.switch_netns.get(), [&]() -> Status {
      GRIT_TRY(table, DropTable::open({{.incoming = true, .interface = "port0"}}));
      return table->install();
    }));
    site.stream.send();
    Names seen;
    for (const std::int64_t end_ns = monotonic_ns() + 5 * kNsPerS; seen.empty();) {
      REQUIRE(monotonic_ns() < end_ns);
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      seen = site.alarms();
    }
    REQUIRE(seen == Names{"tcp_retransmits"});
    ok(table->remove());
  });
}

TEST_CASE("checks of the network: a partition is seen by who is cut off from the node that it was made on") {
  test::in_namespaces([] {
    test::without_dad();
    Site site;
    REQUIRE(site.begin_block() == Names{});
    // As the fault of that name does: both ways, on one node. Its own programs are told of what they cannot send.
    DropTable table = ok(DropTable::open({{.incoming = true, .interface = "eth0", .peers = {"10.77.1.254"}},
                                          {.incoming = false, .interface = "eth0", .peers = {"10.77.1.254"}}}));
    ok(table.install());
    ok(run_in_netns(site.nodes.switch_netns.get(), [&]() -> Status {
      test::CheckUnderTest there("tcp_retransmits");
      there.read();
      site.stream.send_back();
      const std::int64_t end_ns = monotonic_ns() + 5 * kNsPerS;
      while (there.read_of("tcp").detail != "1 timeout" && monotonic_ns() < end_ns)
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
      return monotonic_ns() < end_ns ? Status() : internal_error("no timeout was seen");
    }));
    REQUIRE(site.alarms() == Names{});
  });
}
