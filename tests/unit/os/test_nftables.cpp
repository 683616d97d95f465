// Rules that drop what crosses one interface, where the kernel's hooks see another.
#include <arpa/inet.h>
#include <sys/socket.h>

#include "harness/os/netns.hpp"
#include "harness/os/nftables.hpp"
#include "tests/namespace.hpp"

using namespace grit;
using grit::test::ok;

TEST_CASE("of a port of a bridge what comes in is dropped where the kernel sees it: at the bridge") {
  test::in_namespaces([] {
    test::without_dad();
    const Fd far_netns = test::new_netns();
    Netlink node = ok(Netlink::open()), far = ok(Netlink::open_in(far_netns.get()));
    ok(node.create_veth({.name = "eth0"}, {.name = "port0", .netns_fd = far_netns.get()}));
    ok(node.create_bridge("br0"));
    const int bridge = ok(node.link("br0")).ifindex, eth0 = ok(node.link("eth0")).ifindex;
    ok(node.set_master(eth0, bridge));
    ok(node.add_address(bridge, "10.77.1.1/24"));
    const Link port = ok(far.link("port0"));
    ok(far.add_address(port.ifindex, "10.77.1.2/24"));
    for (const int one : {eth0, bridge}) ok(node.set_up(one));
    ok(far.set_up(port.ifindex));
    REQUIRE(ok(seen_as("eth0")) == "br0");
    REQUIRE(ok(seen_as("br0")) == "br0");
    REQUIRE(ok(seen_as("nosuch0")) == "nosuch0");

    DropTable table = ok(DropTable::open({{.incoming = true, .interface = "eth0"}}));
    ok(table.install());
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(7001);
    ::inet_pton(AF_INET, "10.77.1.1", &to.sin_addr);
    const std::int64_t deadline_ns = monotonic_ns() + 5 * kNsPerS;
    ok(run_in_netns(far_netns.get(), [&]() -> Status {
      const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      while (monotonic_ns() < deadline_ns && ok(table.read())->packets == 0) {  // the bridge forwards when it is up
        ::sendto(socket.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      }
      return {};
    }));
    REQUIRE(ok(table.read())->packets > 0);
  });
}
