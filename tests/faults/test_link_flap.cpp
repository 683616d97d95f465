// link_flap against a real kernel: inject, prove, revert, and the node is as it was.
#include <poll.h>

#include <cstdlib>

#include "harness/os/link_config.hpp"
#include "harness/os/netns.hpp"
#include "injectors/injector.hpp"
#include "tests/two_nodes.hpp"

using namespace grit;
using grit::test::ok;

namespace {

const Injector& flap() {
  const Injector* injector = find_injector("link_flap");
  REQUIRE(injector != nullptr);
  return *injector;
}

Params params(Json given = Json::object()) {
  return Params(ok(complete_params(flap().info().params, std::move(given))));
}

Target target(const std::string& side = "admin") { return {"eth0", params({{"side", side}})}; }

void name_switch(const test::TwoNodes& nodes) {
  const std::string path = fmt::format("/proc/{}/fd/{}", ::getpid(), nodes.switch_netns.get());
  REQUIRE(::setenv("GRIT_SWITCH_NETNS", path.c_str(), 1) == 0);
}

std::string reason(const std::optional<std::string>& why) { return why ? *why : "available"; }

}  // namespace

TEST_CASE("link_flap admin: inject, evidence, revert leaves exactly the same state, and so does a second revert") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    const auto before = test::dump_network();
    REQUIRE(reason(flap().why_unavailable(target())) == "available");
    const Prepared made = ok(flap().prepare(target()));
    ok(flap().check_undo(made.undo));
    const Json counters = ok(made.fault->counters());
    const auto witness = ok(made.fault->witness());
    REQUIRE(test::changes_since(before) == "");  // nothing changed yet
    REQUIRE_FALSE(ok(made.fault->read()).left);
    REQUIRE_FALSE(flap().acted(counters, ok(made.fault->counters())));

    ok(made.fault->start());
    const Reading applied = ok(made.fault->read());
    REQUIRE(applied.holds);
    REQUIRE(applied.details["operstate"] == "down");
    REQUIRE(flap().acted(counters, ok(made.fault->counters())));
    REQUIRE(test::changes_since(before).find("- address 2 fd77::1") != std::string::npos);

    ok(flap().revert(made.undo));
    REQUIRE_FALSE(ok(made.fault->read()).left);
    test::wait_for_dad(nodes.node);
    REQUIRE(test::changes_since(before) == "");
    ok(flap().revert(made.undo));
    REQUIRE(test::changes_since(before) == "");

    pollfd ready{witness->descriptor(), POLLIN, 0};
    REQUIRE(::poll(&ready, 1, 5000) == 1);
    const std::vector<Json> seen = witness->drain();
    REQUIRE(seen.size() >= 2);
    REQUIRE(seen.front()["what"].get<std::string>() == "eth0 link down, carrier off");
    REQUIRE(seen.back()["what"].get<std::string>() == "eth0 link up, carrier on");
    REQUIRE(seen.front()["t_ns"].get<std::int64_t>() < seen.back()["t_ns"].get<std::int64_t>());
  });
}

TEST_CASE("link_flap admin: several times in a row") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    const auto before = test::dump_network();
    const Prepared made = ok(flap().prepare(target()));
    for (int i = 0; i < 5; ++i) {
      ok(made.fault->start());
      REQUIRE(ok(made.fault->read()).holds);
      ok(flap().revert(made.undo));
      REQUIRE_FALSE(ok(made.fault->read()).left);
    }
    test::wait_for_dad(nodes.node);
    REQUIRE(test::changes_since(before) == "");
  });
}

TEST_CASE("link_flap carrier: the switch's end goes down, the node's addresses and routes stay") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    name_switch(nodes);
    const auto before = test::dump_network();
    std::vector<std::string> far_before;
    const auto in_switch = [&](auto work) {
      ok(run_in_netns(nodes.switch_netns.get(), [&]() -> Status { return work(), Status{}; }));
    };
    in_switch([&] { far_before = test::dump_network(); });
    const auto on = target("carrier");
    REQUIRE(reason(flap().why_unavailable(on)) == "available");
    const Prepared made = ok(flap().prepare(on));
    ok(flap().check_undo(made.undo));
    const Json counters = ok(made.fault->counters());
    ok(made.fault->start());
    REQUIRE(ok(made.fault->read()).holds);
    const Link down = ok(nodes.node.link("eth0"));
    REQUIRE(down.up());
    REQUIRE_FALSE(down.carrier);
    REQUIRE_FALSE(ok(nodes.far.link("port0")).up());
    REQUIRE(ok(nodes.node.addresses(nodes.eth0)).size() == 7);
    REQUIRE(flap().acted(counters, ok(made.fault->counters())));
    ok(flap().revert(made.undo));
    REQUIRE_FALSE(ok(made.fault->read()).left);
    ok(flap().revert(made.undo));
    test::wait_for_dad(nodes.node);
    test::wait_for_dad(nodes.far);
    REQUIRE(test::changes_since(before) == "");
    std::string far_changes = "not compared";
    in_switch([&] { far_changes = test::changes_since(far_before); });
    REQUIRE(far_changes == "");
  });
}

TEST_CASE("link_flap carrier: without the switch it says so and what to do instead") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    ::unsetenv("GRIT_SWITCH_NETNS");
    REQUIRE_THAT(reason(flap().why_unavailable(target("carrier"))), Catch::Contains("side = \"admin\""));
    const Fd wrong = test::new_netns();
    ::setenv("GRIT_SWITCH_NETNS", fmt::format("/proc/{}/fd/{}", ::getpid(), wrong.get()).c_str(), 1);
    REQUIRE_THAT(reason(flap().why_unavailable(target("carrier"))), Catch::Contains("GRIT_SWITCH_NETNS"));
    ::setenv("GRIT_SWITCH_NETNS", "/proc/self/ns/mnt", 1);
    REQUIRE_THAT(reason(flap().why_unavailable(target("carrier"))), Catch::Contains("not a network namespace"));

    name_switch(nodes);
    const Prepared made = ok(flap().prepare(target("carrier")));
    ok(made.fault->start());
    ::unsetenv("GRIT_SWITCH_NETNS");
    REQUIRE(flap().revert(made.undo).error().kind ==
            ErrorKind::unavailable);  // not a success that leaves the link dead
    ::setenv("GRIT_SWITCH_NETNS", fmt::format("/proc/{}/fd/{}", ::getpid(), wrong.get()).c_str(), 1);
    const auto elsewhere = flap().revert(made.undo);
    REQUIRE(elsewhere.error().kind == ErrorKind::unavailable);
    REQUIRE_THAT(elsewhere.error().message, Catch::Contains("another network namespace"));
    name_switch(nodes);
    ok(flap().revert(made.undo));
    REQUIRE(ok(nodes.node.link("eth0")).carrier);
  });
}

TEST_CASE("link_flap: a device that vanishes between the steps") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    const Prepared made = ok(flap().prepare(target()));
    ok(nodes.node.remove_link(nodes.eth0));
    const auto bare = test::dump_network();
    const Status applied = made.fault->start();
    REQUIRE_FALSE(applied.has_value());
    REQUIRE_THAT(applied.error().message, Catch::Contains("eth0 is gone"));
    REQUIRE_FALSE(made.fault->counters().has_value());
    REQUIRE_FALSE(ok(made.fault->read()).left);
    ok(flap().revert(made.undo));
    REQUIRE(test::changes_since(bare) == "");

    // Another interface of the same name: not ours to touch.
    ok(nodes.node.create_veth({.name = "eth0"}, {.name = "other0"}));
    const auto other = test::dump_network();
    REQUIRE_FALSE(made.fault->start().has_value());
    ok(flap().revert(made.undo));
    REQUIRE(test::changes_since(other) == "");
  });
}

TEST_CASE("link_flap: a device that is deleted while the fault is in force") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    const Prepared made = ok(flap().prepare(target()));
    ok(made.fault->start());
    ok(nodes.node.remove_link(nodes.eth0));
    ok(flap().revert(made.undo));
    REQUIRE_FALSE(ok(made.fault->read()).left);
  });
}

TEST_CASE("link_flap: a revert in another network namespace or of another boot changes nothing") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    const Prepared made = ok(flap().prepare(target()));
    ok(made.fault->start());
    const auto down = test::dump_network();
    std::string changes = "not compared";
    ok(run_in_netns(test::new_netns().get(), [&]() -> Status {
      Netlink netlink = ok(Netlink::open());  // the same name, index and MAC as the interface in the record
      ok(netlink.create_veth({.name = "eth0", .mac = "02:00:00:00:00:01"}, {.name = "peer0"}));
      const auto before = test::dump_network();
      REQUIRE(flap().revert(made.undo).error().kind == ErrorKind::unavailable);  // it may still be down where it is
      changes = test::changes_since(before);
      return {};
    }));
    REQUIRE(changes == "");
    Json other_boot = made.undo;
    other_boot["link"]["identity"]["boot_id"] = "00000000-0000-0000-0000-000000000000";
    ok(flap().revert(other_boot));
    REQUIRE(test::changes_since(down) == "");
    REQUIRE(ok(made.fault->read()).holds);
    ok(flap().revert(made.undo));
    REQUIRE_FALSE(ok(made.fault->read()).left);
  });
}

TEST_CASE("link_flap: without CAP_NET_ADMIN it is found before anything is done") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    const auto before = test::dump_network();
    const Prepared made = ok(flap().prepare(target()));
    test::drop_capabilities();
    REQUIRE_THAT(reason(flap().why_unavailable(target())), Catch::Contains("CAP_NET_ADMIN"));
    REQUIRE(made.fault->start().error().kind == ErrorKind::unavailable);
    ok(flap().revert(made.undo));  // nothing was applied, nothing is missing: no privilege needed
    REQUIRE(test::changes_since(before) == "");
  });
}

TEST_CASE("link_flap: a revert that cannot put everything back names what is missing") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    const Prepared made = ok(flap().prepare(target()));
    ok(made.fault->start());
    test::drop_capabilities();
    const auto reverted = flap().revert(made.undo);
    REQUIRE_FALSE(reverted.has_value());
    REQUIRE_THAT(reverted.error().message, Catch::Contains("eth0 is not as it was"));
  });
}

TEST_CASE("link_flap: a link that is not there or already down is refused, with what to do") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    Target missing = target();
    missing.device = "eth9";
    REQUIRE_THAT(reason(flap().why_unavailable(missing)), Catch::Contains("eth9") && Catch::Contains("eth0"));
    ok(nodes.node.set_down(nodes.eth0));
    REQUIRE_THAT(reason(flap().why_unavailable(target())), Catch::Contains("down already"));
  });
}

TEST_CASE("link_flap: an undo record that prepare() cannot have written is refused, by revert too") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    name_switch(nodes);
    const Json good = ok(flap().prepare(target("carrier"))).undo;
    const auto refused = [&](Json bad) {
      INFO(bad.dump());
      REQUIRE(flap().check_undo(bad).error().kind == ErrorKind::usage);
      REQUIRE_FALSE(flap().revert(bad).has_value());
    };
    Json bad = good;
    bad["switch_netns"] = "/proc/1/ns/net";
    refused(bad);
    bad = good, bad["side"] = "both";
    refused(bad);
    bad = good, bad["side"] = "admin";  // an admin record has no peer
    refused(bad);
    bad = good, bad.erase("peer");
    refused(bad);
    bad = good, bad["peer"]["identity"]["name"] = "../x";
    refused(bad);
    refused(Json::array());
    refused(Json());
  });
}

TEST_CASE("link_flap: pulses and NICs are planned from the parameters") {
  constexpr std::int64_t kMs = kNsPerMs;
  const auto once = flap().pulses(params());
  REQUIRE(once.size() == 1);
  REQUIRE(once[0].start_ns == 500 * kMs);
  REQUIRE(once[0].end_ns == 1500 * kMs);
  Node node;
  node.name = "node1";
  node.nics = {{.name = "eth0", .role = NicRole::management, .role_evidence = "carries the default route"}};
  const auto none = flap().resolve_device(node, params());
  REQUIRE(none.error().message ==
          "node1 has no data NIC: eth0 (management: carries the default route). Name one with nic = \"...\"");
  REQUIRE(ok(flap().resolve_device(node, params({{"nic", "eth0"}}))) == "eth0");
  REQUIRE_FALSE(flap().resolve_device(node, params({{"nic", "eth7"}})).has_value());
  node.nics.push_back({.name = "ib0", .role = NicRole::data});
  REQUIRE(ok(flap().resolve_device(node, params())) == "ib0");
}
