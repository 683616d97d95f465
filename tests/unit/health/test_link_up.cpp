#include "tests/two_nodes.hpp"
#include "tests/unit/health/check_reading.hpp"

using namespace grit;
using grit::test::ok;

namespace {

Node node_with_eth0() {
  Node node;
  node.name = "node0";
  node.nics = {{.name = "eth0", .addresses = {"10.77.1.1/24", "fd77::1/64"}, .role = NicRole::data},
               {.name = "mgmt0", .role = NicRole::management}};
  return node;
}

}  // namespace

TEST_CASE("link_up: tells up, down, no carrier, lost addresses and gone from each other") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    test::CheckUnderTest check("link_up");
    check.node = node_with_eth0();
    REQUIRE(check.read_of("eth0").severity == Severity::ok);
    ok(nodes.far.set_down(ok(nodes.far.link("port0")).ifindex));
    const Outcome without_carrier = check.read_of("eth0");
    REQUIRE(without_carrier.severity == Severity::critical);
    test::proves("link_up", without_carrier);
    REQUIRE(without_carrier.detail == "has no carrier");
    ok(nodes.far.set_up(ok(nodes.far.link("port0")).ifindex));
    REQUIRE(check.read_of("eth0").severity == Severity::ok);
    ok(nodes.node.set_down(nodes.eth0));
    REQUIRE(check.read_of("eth0").detail == "is down");
    ok(nodes.node.set_up(nodes.eth0));
    REQUIRE(check.read_of("eth0").detail == "has lost fd77::1/64");
    ok(nodes.node.add_address(nodes.eth0, "fd77::1/64"));
    REQUIRE(check.read_of("eth0").severity == Severity::ok);
    ok(nodes.node.remove_link(nodes.eth0));
    REQUIRE(check.read_of("eth0").detail == "is gone");
    test::CheckUnderTest of_mgmt0("link_up", {{"nic", "mgmt0"}});
    of_mgmt0.node = node_with_eth0();
    REQUIRE(of_mgmt0.read_of("mgmt0").detail == "is gone");
  });
}

TEST_CASE("link_up: a NIC that is named is looked at although the node does not count it among its own") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    test::CheckUnderTest check("link_up", {{"nic", "eth0"}});
    REQUIRE(check.read_of("eth0").severity == Severity::ok);  // the node of this check has no NICs
    ok(nodes.node.set_down(nodes.eth0));
    REQUIRE(check.read_of("eth0").severity == Severity::critical);
    REQUIRE(check.read_of("eth0").detail == "is down");
  });
}

TEST_CASE("link_up: a node without a data NIC has nothing to look at, and one without the NIC that is named an error") {
  test::CheckUnderTest check("link_up");
  REQUIRE(check.read_one().not_here);
  test::CheckUnderTest of_ib0("link_up", {{"nic", "ib0"}});
  of_ib0.node = node_with_eth0();
  REQUIRE(of_ib0.try_read().error().kind == ErrorKind::usage);
}
