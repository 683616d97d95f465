#include "harness/agent/carrier_watch.hpp"
#include "tests/two_nodes.hpp"

using namespace grit;
using grit::test::ok;

namespace {

/// A link that needs time after it is set up again: its far end stays down until then.
struct SlowLink {
  test::TwoNodes nodes{};
  CarrierWatch watch{};
  int far = ok(nodes.far.link("port0")).ifindex;

  void flap() {
    watch.faults_come({"eth0"});
    const LinkConfig config = ok(read_link_config("eth0"));
    ok(nodes.node.set_down(nodes.eth0));
    ok(nodes.far.set_down(far));
    REQUIRE(ok(restore_link_config(config)) == Reverted::put_back);
    watch.faults_are_off(kNsPerS);
  }
};

}  // namespace

TEST_CASE("carrier watch: a link that comes back late is said to, and is then as it was") {
  test::in_namespaces([] {
    SlowLink link;
    for (const Address& address : ok(link.nodes.node.addresses(link.nodes.eth0)))  // the kernel makes it with a carrier
      if (address.family == AF_INET6 && address.scope == RT_SCOPE_LINK) ok(link.nodes.node.remove_address(address));
    const auto before = test::dump_network();
    link.flap();
    REQUIRE(link.watch.waits());
    REQUIRE(link.watch.look(5 * kNsPerS).empty());
    REQUIRE(link.watch.waits());
    ok(link.nodes.far.set_up(link.far));
    const auto has_link_local = [&] {
      for (const Address& address : ok(link.nodes.node.addresses(link.nodes.eth0)))
        if (address.family == AF_INET6 && address.scope == RT_SCOPE_LINK) return true;
      return false;
    };
    const std::int64_t deadline_ns = monotonic_ns() + 5 * kNsPerS;
    while (!has_link_local()) REQUIRE(monotonic_ns() < deadline_ns);
    const auto news = link.watch.look(13 * kNsPerS);
    REQUIRE(news.size() == 1);
    REQUIRE(news[0].interface == "eth0");
    REQUIRE(news[0].back);
    REQUIRE(news[0].after_ns == 12 * kNsPerS);
    REQUIRE(news[0].problem == "");
    REQUIRE_FALSE(link.watch.waits());
    REQUIRE(link.watch.look(14 * kNsPerS).empty());
    test::wait_for_dad(link.nodes.node);
    REQUIRE(test::changes_since(before) == "");
  });
}

TEST_CASE("carrier watch: one that never comes back is a problem after a while") {
  test::in_namespaces([] {
    SlowLink link;
    link.flap();
    REQUIRE(link.watch.look(kNsPerS + kCarrierLimit_ns - 1).empty());
    const auto news = link.watch.look(kNsPerS + kCarrierLimit_ns);
    REQUIRE(news.size() == 1);
    REQUIRE_FALSE(news[0].back);
    REQUIRE_FALSE(link.watch.waits());
  });
}

TEST_CASE("carrier watch: what had no carrier, was taken down by others or is gone is not waited for") {
  test::in_namespaces([] {
    SlowLink link;
    link.watch.faults_come({"eth0", "none9"});
    link.watch.faults_are_off(0);
    REQUIRE_FALSE(link.watch.waits());  // it has its carrier
    ok(link.nodes.far.set_down(link.far));
    link.watch.faults_come({"eth0"});
    link.watch.faults_are_off(0);
    REQUIRE_FALSE(link.watch.waits());  // it had none
    ok(link.nodes.far.set_up(link.far));
    link.flap();
    REQUIRE(link.watch.waits());
    ok(link.nodes.node.set_down(link.nodes.eth0));
    REQUIRE(link.watch.look(2 * kNsPerS).empty());
    REQUIRE_FALSE(link.watch.waits());
  });
}
