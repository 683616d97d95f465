#include <sched.h>

#include "harness/agent/uplink.hpp"
#include "harness/run/rendezvous.hpp"
#include "tests/namespace.hpp"

using namespace grit;
using Catch::Matchers::Contains;

namespace {

using List = std::vector<std::string>;

Nic nic(std::string name, NicRole role, List addresses, bool up = true) {
  Nic made;
  made.name = std::move(name);
  made.role = role;
  made.addresses = std::move(addresses);
  made.up = up;
  return made;
}

Topology two_nodes(std::vector<Nic> nics_of_first) {
  Topology topology;
  topology.nodes = {Node{.name = "n0", .nics = std::move(nics_of_first)}, Node{.index = 1, .name = "n1"}};
  return topology;
}

}  // namespace

TEST_CASE("the recorder listens on the management addresses of both families, in their order, and no other") {
  const Topology topology = two_nodes({nic("ens1", NicRole::data, {"10.1.0.1/24", "fd01::1/64"}),
                                       nic("eno1", NicRole::management, {"10.0.0.1/24", "fd00::1/64"}),
                                       nic("eno2", NicRole::management, {"10.2.0.1/24"}, false),
                                       nic("bond0", NicRole::management, {"fd03::1/64"})});
  CHECK(*recorder_endpoints(topology, 0) == List{"tcp://10.0.0.1:*", "tcp://[fd00::1]:*", "tcp://[fd03::1]:*"});
  CHECK(recorder_endpoints(topology, 4711)->at(1) == "tcp://[fd00::1]:4711");

  Topology one = topology;
  one.nodes.resize(1);
  CHECK(*recorder_endpoints(one, 4711) == List{"tcp://127.0.0.1:4711"});

  const auto none = recorder_endpoints(two_nodes({nic("ens1", NicRole::data, {"10.1.0.1/24"})}), 0);
  REQUIRE_FALSE(none);
  CHECK(none.error().kind == ErrorKind::unavailable);
  CHECK_THAT(none.error().message, Contains("n0") && Contains("GRIT_MANAGEMENT_NICS"));
}

TEST_CASE("the first endpoint that all nodes reach is chosen") {
  const List endpoints{"tcp://10.0.0.1:1", "tcp://10.2.0.1:2", "tcp://[fd00::1]:3"};
  const EndpointTrial all{"n0", {"", "", ""}};
  CHECK(*choose_endpoint(endpoints, {all, all}) == endpoints[0]);
  CHECK(*choose_endpoint(endpoints, {all, {"n1", {"10.0.0.1 port 1: no", "", ""}}}) == endpoints[1]);
  CHECK(*choose_endpoint(endpoints, {all, {"n1", {"no", "", ""}}, {"n2", {"", "no", ""}}}) == endpoints[2]);
}

TEST_CASE("where nodes have no endpoint in common the error names nodes, addresses, ports and what to do") {
  const List endpoints{"tcp://10.0.0.1:40001", "tcp://10.2.0.1:40002"};
  std::vector<EndpointTrial> nodes{{"n0", {"", ""}},
                                   {"n1", {"10.0.0.1 port 40001: Connection timed out", ""}},
                                   {"n2", {"", "10.2.0.1 port 40002: Connection refused"}}};
  const auto none = choose_endpoint(endpoints, nodes);
  REQUIRE_FALSE(none);
  CHECK(none.error().kind == ErrorKind::unavailable);
  CHECK_THAT(none.error().message, Contains("from n1: 10.0.0.1 port 40001: Connection timed out") &&
                                       Contains("from n2: 10.2.0.1 port 40002: Connection refused") &&
                                       Contains("firewall") && Contains("--port") && Contains("GRIT_MANAGEMENT_NICS"));
  CHECK_THAT(none.error().message, !Contains("n0"));
  for (int i = 0; i < 1000; ++i) nodes.push_back({"many", {"no", "no"}});
  const std::string message = choose_endpoint(endpoints, nodes).error().message;
  CHECK_THAT(message, Contains("and from 997 more nodes"));
  CHECK(message.size() < 1000);
}

TEST_CASE("a node without IPv4 meets the recorder over IPv6, in a network namespace of its own") {
  test::in_namespaces([] {
    test::without_dad();
    Netlink here = test::ok(Netlink::open());
    const Fd first_node = test::new_netns();
    Netlink there = test::ok(Netlink::open_in(first_node.get()));
    test::ok(here.create_veth({.name = "eno1"}, {.name = "eno1", .netns_fd = first_node.get()}));
    const int mine = test::ok(here.link("eno1")).ifindex, theirs = test::ok(there.link("eno1")).ifindex;
    test::ok(here.add_address(mine, "fd78::b/64"));
    for (const char* address : {"10.78.0.10/24", "fd78::a/64"}) test::ok(there.add_address(theirs, address));
    test::ok(here.set_up(mine));
    test::ok(there.set_up(theirs));
    test::wait_for_dad(here);
    test::wait_for_dad(there);

    const Topology topology = two_nodes({nic("eno1", NicRole::management, {"10.78.0.10/24", "fd78::a/64"})});
    const RunKeys keys = test::ok(make_run_keys());
    std::optional<RecorderSocket> recorder;
    std::thread([&] {
      if (::setns(first_node.get(), CLONE_NEWNET) == 0)
        if (auto bound = RecorderSocket::bind(*recorder_endpoints(topology, 4711), keys)) recorder = std::move(*bound);
    }).join();
    REQUIRE(recorder);
    REQUIRE(recorder->endpoints() == List{"tcp://10.78.0.10:4711", "tcp://[fd78::a]:4711"});

    const EndpointTrial reach = try_endpoints(recorder->endpoints());
    REQUIRE_FALSE(reach.why_not[0].empty());
    const std::string chosen = test::ok(choose_endpoint(recorder->endpoints(), {{"n0", {"", ""}}, reach}));
    REQUIRE(chosen == "tcp://[fd78::a]:4711");
    const Uplink uplink = test::ok(Uplink::connect(chosen, keys, 1));
    std::optional<Message> heard;
    for (int i = 0; i < 500 && !heard; ++i) {
      heard = recorder->receive();
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    REQUIRE(heard);
    REQUIRE(heard->node == 1);
  });
}
