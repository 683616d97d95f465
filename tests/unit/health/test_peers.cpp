#include <cmath>

#include "tests/two_nodes.hpp"
#include "tests/unit/health/check_reading.hpp"

using namespace grit;
using grit::test::ok;

namespace {

constexpr std::int64_t kGiB = std::int64_t{1} << 30;

/// Nodes that are alike, the first of which is this one; its eth0 is a veth of TwoNodes.
test::CheckUnderTest among(int nodes, Json given = Json::object()) {
  test::CheckUnderTest check("peers", std::move(given));
  for (int i = 0; i < nodes; ++i) {
    Node node{.index = i, .name = "node" + std::to_string(i), .cores = 8, .numa_nodes = 2};
    node.memory_bytes = 503 * kGiB, node.cpu_model = "Xeon", node.kernel = "6.8.0";
    node.microcode = "0x2b000461";
    Nic nic{.name = i == 0 ? "eth0" : "ens5", .driver = "veth", .duplex = "full", .role = NicRole::data};
    nic.speed_bits_per_s = 10'000'000'000, nic.mtu_bytes = 1500;
    node.nics = {nic};
    check.peers.push_back(node);
  }
  check.node = check.peers[0];
  return check;
}

void set_kernel(test::CheckUnderTest& check, std::vector<int> nodes, const std::string& kernel) {
  for (const int node : nodes) check.peers[static_cast<std::size_t>(node)].kernel = kernel;
  check.node = check.peers[0];
  check.memory.clear();  // another run
}

}  // namespace

TEST_CASE("peers: a node that is another than three quarters says so of itself") {
  test::in_namespaces([] {
    test::without_dad();
    test::TwoNodes nodes;
    auto check = among(4);
    REQUIRE(check.read_one().severity == Severity::ok);
    REQUIRE(check.read_one().detail == "nothing sets it apart from 3 other nodes");
    ok(nodes.node.set_mtu(nodes.eth0, 1400));
    const Outcome mtu = check.read_one();
    REQUIRE(mtu.severity == Severity::critical);
    REQUIRE(mtu.subject == "MTU of the data NIC");
    REQUIRE(mtu.detail == "1400 here: unlike the others: 1500 on 3, 1400 on 1 of 4 nodes");
    ok(nodes.node.set_mtu(nodes.eth0, 1500));
    set_kernel(check, {0}, "6.8.1");
    REQUIRE(check.read_one().severity == Severity::warning);
    REQUIRE(check.read_one().subject == "kernel");
    set_kernel(check, {0}, "6.8.0");
    set_kernel(check, {3}, "6.8.1");
    REQUIRE(check.read_one().severity == Severity::ok);  // that is node3's to say
  });
}

TEST_CASE("peers: where a vote cannot tell, the fact is named and no node") {
  test::in_namespaces([] {
    test::without_dad();
    test::TwoNodes nodes;
    auto two = among(2);
    set_kernel(two, {1}, "6.8.1");
    const Outcome either = two.read_one();
    REQUIRE(either.severity == Severity::warning);
    REQUIRE(either.subject == "kernel");
    REQUIRE(either.detail == "6.8.1 on 1, 6.8.0 on 1 of 2 nodes; who is right cannot be told");
    auto three = among(3);
    set_kernel(three, {1}, "6.8.1");
    REQUIRE(three.read_one().severity == Severity::ok);
    set_kernel(three, {1}, "6.8.0");
    set_kernel(three, {0}, "6.8.1");
    REQUIRE(three.read_one().detail.starts_with("6.8.1 here, probably this node is: unlike the others"));
    set_kernel(three, {1}, "6.8.2");
    REQUIRE(three.read_one().detail.ends_with("; no majority"));
    auto eight = among(8);
    set_kernel(eight, {0, 1, 2}, "6.8.1");
    REQUIRE(eight.read_one().detail == "6.8.0 on 5, 6.8.1 on 3 of 8 nodes; who is right cannot be told");
    set_kernel(eight, {2}, "6.8.0");
    REQUIRE(eight.read_one().detail.starts_with("6.8.1 here: unlike"));  // 6 of 8
  });
}

TEST_CASE("peers: microcode, firmware and duplex that differ") {
  test::in_namespaces([] {
    test::without_dad();
    test::TwoNodes nodes;
    auto check = among(4);
    check.node.microcode = "0x2b000590";
    REQUIRE(check.read_one().subject == "microcode");
    REQUIRE(check.read_one().severity == Severity::warning);
    auto half = among(4);
    for (std::size_t i = 1; i < 4; ++i) half.peers[i].nics[0].duplex = "half";
    REQUIRE(half.read_one().subject == "duplex of the data NIC");
    REQUIRE(half.read_one().severity == Severity::critical);
    auto firmware = among(3);
    for (std::size_t i = 1; i < 3; ++i) firmware.peers[i].nics[0].firmware = "28.39.1002 (MT_0000000838)";
    REQUIRE(firmware.read_one().severity == Severity::ok);  // this one's driver says none
    firmware.peers[2].nics[0].firmware = "28.36.1010 (MT_0000000838)";
    firmware.memory.clear();
    REQUIRE(firmware.read_one().subject == "firmware of the data NIC");
    REQUIRE(firmware.read_one().hint == "here it is not known");
  });
}

TEST_CASE("peers: how probable it is that a node which is right is named") {
  // Each node has another kernel by itself with the probability q, and all of these the same one: exact sums over how
  // many have. What the check says of a node that is right depends on that number alone.
  test::in_namespaces([] {
    const auto probability = [](int nodes, double q) {
      double sum = 0;
      auto check = among(nodes);
      for (Node& node : check.peers) node.nics.clear();
      for (int wrong = 1; wrong < nodes; ++wrong) {
        set_kernel(check, {nodes - wrong}, "6.8.1");
        const bool is_named = check.read_one().detail.find(" here") != std::string::npos;
        const double ways =
            std::round(std::exp(std::lgamma(nodes + 1) - std::lgamma(wrong + 1) - std::lgamma(nodes - wrong + 1)));
        if (is_named) sum += ways * std::pow(q, wrong) * std::pow(1 - q, nodes - wrong);
      }
      return sum;
    };
    REQUIRE(probability(2, 0.5) == 0);  // two of two: never
    REQUIRE(probability(3, 0.01) == Approx(2.97e-4));
    REQUIRE(probability(4, 0.01) == Approx(3.96e-6));  // 3 of 4; never at 2 : 2
    REQUIRE(probability(5, 0.01) < 5e-8);
    REQUIRE(probability(8, 0.01) < 3e-11);
    // A value that is one of two by chance is no fact: it belongs into `ignore`.
    REQUIRE(probability(4, 0.5) == Approx(0.25));
    REQUIRE(probability(8, 0.5) == Approx(36.0 / 256));
  });
}

TEST_CASE("peers: memory that a kernel keeps for itself, facts that nobody knows or that may differ") {
  test::in_namespaces([] {
    test::without_dad();
    test::TwoNodes nodes;
    auto check = among(4);
    for (Node& node : check.peers) node.memory_bytes += node.index * kGiB;  // 503 to 506 of 512
    check.peers[0].memory_bytes = 503 * kGiB + 600'000'000;
    check.node = check.peers[0];
    check.memory.clear();
    REQUIRE(check.read_one().severity == Severity::ok);
    check.node.memory_bytes = 471 * kGiB;  // one of sixteen modules is missing
    REQUIRE(check.read_one().subject == "memory");
    check.node.memory_bytes = 0;
    REQUIRE(check.read_one().severity == Severity::ok);
    check.node = check.peers[0];
    check.node.nics.push_back({.name = "eth7", .role = NicRole::data});
    REQUIRE(check.read_of("data NICs").severity == Severity::warning);
    auto ignoring = among(4, {{"ignore", "kernel, MTU"}});
    set_kernel(ignoring, {0}, "6.8.1");
    ok(nodes.node.set_mtu(nodes.eth0, 1400));
    REQUIRE(ignoring.read_one().severity == Severity::ok);
  });
}

TEST_CASE("peers: alone there is nothing to compare with") {
  REQUIRE(among(1).read_one().not_here);
  auto check = among(1);
  check.peers.clear();
  REQUIRE(check.read_one().not_here);
}
