#include "harness/health/check.hpp"
#include "tests/two_nodes.hpp"

using namespace grit;
using grit::test::ok;

namespace {

CheckOutcome look(const Node& node, Json given = Json::object()) {
  const Check* check = find_check("link_up");
  REQUIRE(check != nullptr);
  CheckMemory memory;
  Netlink netlink = ok(Netlink::open());
  return ok(check->run(node, Params(ok(complete_params(check->info().params, std::move(given)))), memory, netlink));
}

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
    const Node node = node_with_eth0();
    REQUIRE(look(node).ok);
    ok(nodes.far.set_down(ok(nodes.far.link("port0")).ifindex));
    REQUIRE_FALSE(look(node).ok);
    REQUIRE(look(node).detail == "eth0 has no carrier");
    ok(nodes.far.set_up(ok(nodes.far.link("port0")).ifindex));
    REQUIRE(look(node).ok);
    ok(nodes.node.set_down(nodes.eth0));
    REQUIRE(look(node).detail == "eth0 is down");
    ok(nodes.node.set_up(nodes.eth0));
    REQUIRE(look(node).detail == "eth0 has lost fd77::1/64");
    ok(nodes.node.add_address(nodes.eth0, "fd77::1/64"));
    REQUIRE(look(node).ok);
    ok(nodes.node.remove_link(nodes.eth0));
    REQUIRE(look(node).detail == "eth0 is gone");
    REQUIRE(look(node, {{"nic", "mgmt0"}}).detail == "mgmt0 is gone");
  });
}

TEST_CASE("link_up: a node without such a NIC is an error, not a sick node") {
  const Check* check = find_check("link_up");
  Node node = node_with_eth0();
  node.nics.clear();
  CheckMemory memory;
  Netlink netlink = ok(Netlink::open());
  REQUIRE(check->run(node, Params(Json{{"nic", "data"}}), memory, netlink).error().kind == ErrorKind::usage);
  REQUIRE(check->run(node, Params(Json{{"nic", "ib0"}}), memory, netlink).error().kind == ErrorKind::usage);
}

TEST_CASE("checks: the registry names each once") {
  REQUIRE(checks().size() == check_plugins().size());
  for (const CheckInfo& info : checks()) REQUIRE(find_check(info.name)->info().name == info.name);
  REQUIRE(find_check("nonsense") == nullptr);
}
