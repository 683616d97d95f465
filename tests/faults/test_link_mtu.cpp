// link_mtu against a real kernel: TCP and UDP notice it, and IPv6 comes back with its settings.
#include <arpa/inet.h>

#include "harness/os/netns.hpp"
#include "injectors/faults.hpp"
#include "tests/two_nodes.hpp"

using namespace grit;
using grit::test::ok;

namespace {

Target target(std::int64_t mtu_bytes) {
  return {"eth0", Params(ok(complete_params(link_mtu().info().params, Json{{"mtu", mtu_bytes}})))};
}

std::string reason(const Target& on) {
  const auto why = link_mtu().why_unavailable(on);
  return why ? *why : "available";
}

sockaddr_in far_end(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  ::inet_pton(AF_INET, "10.77.1.100", &address.sin_addr);
  return address;
}

/// A TCP connection from the node to the other end of its cable.
struct Connection {
  Fd listener{}, here{}, there{};

  explicit Connection(test::TwoNodes& nodes) {
    ok(nodes.far.add_address(ok(nodes.far.link("port0")).ifindex, "10.77.1.100/24"));
    sockaddr_in address = far_end(7000);
    ok(run_in_netns(nodes.switch_netns.get(), [&]() -> Status {
      listener = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      REQUIRE(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
      REQUIRE(::listen(listener.get(), 1) == 0);
      return {};
    }));
    here = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::connect(here.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    there = Fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    REQUIRE(there);
  }

  void send() const {
    const std::string data(20'000, 'x');
    REQUIRE(::send(here.get(), data.data(), data.size(), 0) == static_cast<ssize_t>(data.size()));
    std::string got(data.size(), ' ');
    REQUIRE(::recv(there.get(), got.data(), got.size(), MSG_WAITALL) == static_cast<ssize_t>(data.size()));
  }
};

std::string setting(const char* name) { return ok(read_file(fmt::format("/proc/sys/net/ipv6/{}", name))); }

void set(const char* name, const std::string& value) {
  test::detail::write_text(fmt::format("/proc/sys/net/ipv6/{}", name).c_str(), value);
}

}  // namespace

TEST_CASE("link_mtu: a TCP connection sends smaller segments, and larger ones again") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    const auto bare = test::dump_network();
    const Connection connection(nodes);
    const Prepared made = ok(link_mtu().prepare(target(1280)));
    connection.send();
    const Json before = ok(made.fault->counters());
    connection.send();
    REQUIRE_FALSE(link_mtu().acted(before, ok(made.fault->counters())));
    ok(made.fault->start());
    REQUIRE(ok(made.fault->read()).details["mtu_bytes"] == 1280);
    connection.send();
    const Json during = ok(made.fault->counters());
    REQUIRE(during["tcp_segments_within_mtu"] > 0);
    REQUIRE(during["fragments_made"] == before["fragments_made"]);
    REQUIRE(link_mtu().acted(before, during));
    ok(link_mtu().revert(made.undo));
    connection.send();
    REQUIRE(ok(made.fault->counters())["tcp_segments_within_mtu"] == 0);
    REQUIRE(test::changes_since(bare) == "");
  });
}

TEST_CASE("link_mtu: under 1280 bytes IPv6 goes, and comes back with its addresses, routes and settings") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    set("conf/eth0/accept_dad", "0");  // no wait for duplicates
    set("conf/eth0/hop_limit", "77");
    set("conf/eth0/mtu", "1400");
    set("neigh/eth0/gc_stale_time", "61");
    const auto before = test::dump_network();
    const Prepared made = ok(link_mtu().prepare(target(500)));
    ok(link_mtu().check_undo(made.undo));
    ok(made.fault->start());
    REQUIRE(ok(made.fault->read()).holds);
    REQUIRE(test::changes_since(before).find("- address 2 fd77::1") != std::string::npos);
    ok(link_mtu().revert(made.undo));
    test::wait_for_dad(nodes.node);
    REQUIRE(test::changes_since(before) == "");
    REQUIRE(setting("conf/eth0/accept_dad") == "0\n");
    REQUIRE(setting("conf/eth0/hop_limit") == "77\n");
    REQUIRE(setting("conf/eth0/mtu") == "1400\n");
    REQUIRE(setting("neigh/eth0/gc_stale_time") == "61\n");
    ok(link_mtu().revert(made.undo));
    REQUIRE(test::changes_since(before) == "");

    Json bad = made.undo;
    bad["ipv6_settings"]["conf/../../ipv4/ip_forward"] = 1;
    REQUIRE_FALSE(link_mtu().check_undo(bad).has_value());
  });
}

TEST_CASE("link_mtu: an IPv6 MTU of its own comes back, unless somebody has set another MTU meanwhile") {
  test::in_namespaces([] {
    test::without_dad();
    test::TwoNodes nodes;
    set("conf/eth0/mtu", "1400");
    const Prepared made = ok(link_mtu().prepare(target(1300)));
    ok(link_mtu().check_undo(made.undo));
    ok(made.fault->start());
    REQUIRE(setting("conf/eth0/mtu") == "1300\n");
    ok(link_mtu().revert(made.undo));
    REQUIRE(setting("conf/eth0/mtu") == "1400\n");
    ok(made.fault->start());
    ok(nodes.node.set_mtu(nodes.eth0, 1350));
    ok(link_mtu().revert(made.undo));
    REQUIRE(setting("conf/eth0/mtu") == "1350\n");
  });
}

TEST_CASE("link_mtu: larger than it is, what others set meanwhile, what follows, no privilege") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    REQUIRE_THAT(reason(target(1500)), Catch::Contains("is 1500 already"));
    const Prepared made = ok(link_mtu().prepare(target(1300)));
    ok(made.fault->start());
    ok(nodes.node.set_mtu(nodes.eth0, 1350));
    ok(link_mtu().revert(made.undo));
    REQUIRE(ok(nodes.node.link("eth0")).mtu_bytes == 1350);
    ok(nodes.node.create_bridge("br0"));
    ok(nodes.node.set_master(nodes.eth0, ok(nodes.node.link("br0")).ifindex));
    REQUIRE_THAT(reason(target(1300)), Catch::Contains("Name br0 instead"));
    ok(nodes.node.remove_link(nodes.eth0));
    REQUIRE_FALSE(made.fault->start().has_value());
    ok(link_mtu().revert(made.undo));
  });
  test::in_namespaces([] {
    test::TwoNodes nodes;
    test::drop_capabilities();
    REQUIRE_THAT(reason(target(1300)), Catch::Contains("CAP_NET_ADMIN"));
  });
}
