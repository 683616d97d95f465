// link_down against a real kernel: inject, prove, revert, and the node is as it was.
#include "harness/os/link_config.hpp"
#include "injectors/faults.hpp"
#include "tests/two_nodes.hpp"

using namespace grit;
using grit::test::ok;

namespace {

Target target() { return {"eth0", Params(ok(complete_params(link_down().info().params, Json::object())))}; }

std::string reason(const std::optional<std::string>& why) { return why ? *why : "available"; }

}  // namespace

TEST_CASE("link_down: inject, evidence, revert leaves exactly the same state, and so does a second revert") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    const auto before = test::dump_network();
    REQUIRE(reason(link_down().why_unavailable(target())) == "available");
    const Prepared made = ok(link_down().prepare(target()));
    ok(link_down().check_undo(made.undo));
    const Json counters = ok(made.fault->counters());
    REQUIRE(test::changes_since(before) == "");
    REQUIRE_FALSE(ok(made.fault->read()).left);
    REQUIRE_FALSE(link_down().acted(counters, ok(made.fault->counters())));
    ok(made.fault->start());
    REQUIRE(ok(made.fault->read()).holds);
    REQUIRE(link_down().acted(counters, ok(made.fault->counters())));
    ok(link_down().revert(made.undo));
    test::wait_for_dad(nodes.node);
    REQUIRE(test::changes_since(before) == "");
    ok(link_down().revert(made.undo));
    REQUIRE(test::changes_since(before) == "");
  });
}

TEST_CASE("link_down: no privilege, a device that is gone, down already, and a foreign record") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    const Prepared made = ok(link_down().prepare(target()));
    Json bad = made.undo;
    bad["other"] = 1;
    REQUIRE(link_down().check_undo(bad).error().kind == ErrorKind::usage);
    REQUIRE_FALSE(link_down().revert(bad).has_value());
    ok(nodes.node.set_down(nodes.eth0));
    REQUIRE_THAT(reason(link_down().why_unavailable(target())), Catch::Contains("down already"));
    ok(link_down().revert(made.undo));
    ok(nodes.node.remove_link(nodes.eth0));
    REQUIRE_FALSE(made.fault->start().has_value());
    ok(link_down().revert(made.undo));
  });
  test::in_namespaces([] {
    test::TwoNodes nodes;
    test::drop_capabilities();
    REQUIRE_THAT(reason(link_down().why_unavailable(target())), Catch::Contains("CAP_NET_ADMIN"));
  });
}
