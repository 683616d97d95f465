#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <poll.h>

#include <cstdlib>
#include <thread>

#include "harness/os/netlink.hpp"
#include "harness/os/netlink_message.hpp"
#include "tests/namespace.hpp"

using namespace grit;
using grit::test::ok;

namespace {

std::optional<Address> find(const std::vector<Address>& addresses, const std::string& local) {
  for (const Address& address : addresses)
    if (address.local == local) return address;
  return std::nullopt;
}

}  // namespace

TEST_CASE("netlink: a veth pair has the names, MACs and namespaces that were asked for") {
  test::in_namespaces([] {
    Netlink here = ok(Netlink::open());
    const Fd other = test::new_netns();
    ok(here.create_veth({.name = "eth0", .mac = "02:00:00:00:00:0a"},
                        {.name = "port7", .mac = "02:00:00:00:00:0b", .netns_fd = other.get()}));
    const Link eth0 = ok(here.link("eth0"));
    REQUIRE(eth0.kind == "veth");
    REQUIRE(eth0.mac == "02:00:00:00:00:0a");
    REQUIRE_FALSE(eth0.up());
    REQUIRE(eth0.link_netnsid.has_value());
    REQUIRE_FALSE(ok(here.find_link("port7")).has_value());
    Netlink there = ok(Netlink::open_in(other.get()));
    const Link port = ok(there.link("port7"));
    REQUIRE(port.mac == "02:00:00:00:00:0b");
    REQUIRE(port.link_ifindex == eth0.ifindex);
    REQUIRE(eth0.link_ifindex == port.ifindex);
    REQUIRE(ok(here.find_link(eth0.ifindex))->name == "eth0");
  });
}

TEST_CASE("netlink: a carrier comes with both ends up, and its counters move") {
  test::in_namespaces([] {
    Netlink netlink = ok(Netlink::open());
    ok(netlink.create_veth({.name = "a0"}, {.name = "b0"}));
    const int a0 = ok(netlink.link("a0")).ifindex, b0 = ok(netlink.link("b0")).ifindex;
    ok(netlink.set_up(a0));
    REQUIRE(ok(netlink.link("a0")).up());
    REQUIRE_FALSE(ok(netlink.link("a0")).carrier);
    ok(netlink.set_up(b0));
    const Link both = ok(netlink.link("a0"));
    REQUIRE(both.carrier);
    ok(netlink.set_down(b0));
    const Link alone = ok(netlink.link("a0"));
    REQUIRE_FALSE(alone.carrier);
    REQUIRE(alone.up());
    REQUIRE(alone.carrier_down_count == both.carrier_down_count + 1);
    REQUIRE(alone.carrier_changes == alone.carrier_up_count + alone.carrier_down_count);
  });
}

TEST_CASE("netlink: bridges, MTU, MAC, names, deletion") {
  test::in_namespaces([] {
    Netlink netlink = ok(Netlink::open());
    ok(netlink.create_bridge("br0"));
    ok(netlink.create_veth({.name = "a0"}, {.name = "b0"}));
    const int a0 = ok(netlink.link("a0")).ifindex, br0 = ok(netlink.link("br0")).ifindex;
    ok(netlink.set_master(a0, br0));
    ok(netlink.set_mtu(a0, 1400));
    ok(netlink.set_mac(a0, "02:00:00:00:00:77"));
    ok(netlink.rename(a0, "c0"));
    const Link c0 = ok(netlink.link("c0"));
    REQUIRE(c0.ifindex == a0);
    REQUIRE(c0.master_ifindex == br0);
    REQUIRE(c0.mtu_bytes == 1400);
    REQUIRE(c0.mac == "02:00:00:00:00:77");
    REQUIRE(ok(netlink.link("br0")).kind == "bridge");
    ok(netlink.set_master(a0, 0));
    REQUIRE(ok(netlink.link("c0")).master_ifindex == 0);
    ok(netlink.remove_link(a0));
    REQUIRE_FALSE(ok(netlink.find_link("c0")).has_value());
    REQUIRE_FALSE(ok(netlink.find_link("b0")).has_value());
    REQUIRE(ok(netlink.links()).size() == 2);  // lo, br0
  });
}

TEST_CASE("netlink: a link moves to another namespace") {
  test::in_namespaces([] {
    Netlink netlink = ok(Netlink::open());
    ok(netlink.create_veth({.name = "a0"}, {.name = "b0"}));
    const Fd other = test::new_netns();
    ok(netlink.move_to_netns(ok(netlink.link("b0")).ifindex, other.get()));
    REQUIRE_FALSE(ok(netlink.find_link("b0")).has_value());
    REQUIRE(ok(ok(Netlink::open_in(other.get())).find_link("b0")).has_value());
  });
}

TEST_CASE("netlink: addresses are read as they were written") {
  test::in_namespaces([] {
    Netlink netlink = ok(Netlink::open());
    ok(netlink.create_veth({.name = "a0"}, {.name = "b0"}));
    const int a0 = ok(netlink.link("a0")).ifindex;
    ok(netlink.set_up(a0));
    const Address labelled{.family = AF_INET,
                           .ifindex = a0,
                           .local = "10.1.0.1",
                           .prefix = 24,
                           .broadcast = "10.1.0.200",
                           .label = "a0:x",
                           .scope = RT_SCOPE_LINK,
                           .metric = 9};
    const Address peer{
        .family = AF_INET, .ifindex = a0, .local = "10.2.0.1", .peer = "10.2.0.9", .prefix = 32, .label = "a0"};
    const Address v6{.family = AF_INET6, .ifindex = a0, .local = "fd00::5", .prefix = 64, .metric = 5};
    for (const Address& address : {labelled, peer, v6}) ok(netlink.add_address(address));
    ok(netlink.add_address(a0, "10.3.0.1/16"));
    const auto now = ok(netlink.addresses(a0));
    for (const Address& wanted : {labelled, peer, v6}) {
      auto found = find(now, wanted.local);
      REQUIRE(found);
      found->flags = 0;  // permanent, tentative: the kernel's
      REQUIRE(*found == wanted);
    }
    REQUIRE(find(now, "10.3.0.1")->broadcast == "10.3.255.255");
    ok(netlink.remove_address(v6));
    REQUIRE_FALSE(find(ok(netlink.addresses(a0)), "fd00::5"));
  });
}

TEST_CASE("netlink: link notifications come in the order of the changes") {
  test::in_namespaces([] {
    Netlink netlink = ok(Netlink::open());
    ok(netlink.create_veth({.name = "a0"}, {.name = "b0"}));
    const int a0 = ok(netlink.link("a0")).ifindex;
    LinkMonitor monitor = ok(LinkMonitor::open());
    REQUIRE(ok(monitor.drain()).empty());
    const std::int64_t before = monotonic_ns();
    ok(netlink.set_up(a0));
    ok(netlink.set_down(a0));
    ok(netlink.remove_link(a0));
    pollfd ready{monitor.descriptor(), POLLIN, 0};
    REQUIRE(::poll(&ready, 1, 5000) == 1);
    std::vector<bool> up;
    bool removed = false;
    std::int64_t last = before;
    for (const LinkEvent& event : ok(monitor.drain())) {
      if (event.ifindex != a0) continue;
      REQUIRE(event.name == "a0");
      REQUIRE(event.t_ns >= last);
      last = event.t_ns;
      removed = removed || event.removed;
      if (up.empty() || up.back() != event.up) up.push_back(event.up);
    }
    REQUIRE(up == std::vector<bool>{true, false});
    REQUIRE(removed);
  });
}

TEST_CASE("netlink: a dump that breaks off is an error") {
  // Two sockets of NETLINK_USERSOCK, of which one is the kernel.
  const auto make = [] {
    std::unique_ptr<nl_sock, decltype(&nl_socket_free)> socket(nl_socket_alloc(), nl_socket_free);
    REQUIRE(nl_connect(socket.get(), NETLINK_USERSOCK) == 0);
    return socket;
  };
  const auto here = make(), kernel = make();
  nl_socket_set_peer_port(here.get(), nl_socket_get_local_port(kernel.get()));
  nl_socket_set_peer_port(kernel.get(), nl_socket_get_local_port(here.get()));
  const auto answered = [&](std::int32_t result) {
    std::thread answer([&] {
      sockaddr_nl from{};
      unsigned char* raw = nullptr;
      if (nl_recv(kernel.get(), &from, &raw, nullptr) <= 0) return;
      struct {
        nlmsghdr header;
        std::int32_t result;
      } end{*reinterpret_cast<nlmsghdr*>(raw), result};
      std::free(raw);
      end.header.nlmsg_len = NLMSG_LENGTH(sizeof end.result);
      end.header.nlmsg_type = NLMSG_DONE;
      end.header.nlmsg_flags = NLM_F_MULTI;
      nl_sendto(kernel.get(), &end, sizeof end);
    });
    rtnl::Message request(RTM_GETADDR, NLM_F_DUMP);
    request.header(ifaddrmsg{});
    auto done = rtnl::exchange(here.get(), request);
    answer.join();
    return done;
  };
  REQUIRE(answered(0).has_value());
  const auto broken = answered(-ENOBUFS);
  REQUIRE_FALSE(broken.has_value());
  REQUIRE(broken.error().error_number == ENOBUFS);
}

TEST_CASE("netlink: errors carry the kernel's words and what to do") {
  test::in_namespaces([] {
    Netlink netlink = ok(Netlink::open());
    ok(netlink.create_bridge("br0"));
    const int br0 = ok(netlink.link("br0")).ifindex;
    const auto missing = netlink.link("eth9");
    REQUIRE(missing.error().kind == ErrorKind::usage);
    REQUIRE_THAT(missing.error().message, Catch::Contains("eth9") && Catch::Contains("br0"));
    REQUIRE_THAT(netlink.create_bridge("br0").error().message, Catch::Contains("File exists"));
    REQUIRE(netlink.create_bridge("a/b").error().kind == ErrorKind::usage);
    REQUIRE(netlink.create_bridge("a_name_that_is_too_long").error().kind == ErrorKind::usage);
    REQUIRE(netlink.set_mac(br0, "02:00").error().kind == ErrorKind::usage);
    for (const char* wrong : {"10.0.0.1", "10.0.0.1/33", "10.0.0/8", "10.0.0.1/x", "fd00::1/129", ""})
      REQUIRE(netlink.add_address(br0, wrong).error().kind == ErrorKind::usage);
    const auto no_way = netlink.add_route({.family = AF_INET,
                                           .ifindex = br0,
                                           .destination = "10.0.0.0",
                                           .prefix = 8,
                                           .gateway = "192.0.2.1",
                                           .table = RT_TABLE_MAIN,
                                           .type = RTN_UNICAST});
    REQUIRE(no_way.error().kind == ErrorKind::internal);
    REQUIRE_THAT(no_way.error().message, Catch::Contains("("));  // an extended ack: more than strerror knows
    test::drop_capabilities();
    const auto forbidden = netlink.set_down(br0);
    REQUIRE(forbidden.error().kind == ErrorKind::unavailable);
    REQUIRE_THAT(forbidden.error().message, Catch::Contains("CAP_NET_ADMIN"));
    REQUIRE(ok(netlink.links()).size() == 2);  // reading stays allowed, and the socket usable
  });
}
