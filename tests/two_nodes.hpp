// A node and a switch: a veth whose one end is the NIC under test, with everything on it that a link can lose.
#pragma once

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "harness/base/clock.hpp"
#include "tests/namespace.hpp"

namespace grit::test {

constexpr std::int64_t ms(std::int64_t n) { return n * kNsPerMs; }

struct TwoNodes {
  Fd switch_netns = new_netns();
  Netlink node = ok(Netlink::open());
  Netlink far = ok(Netlink::open_in(switch_netns.get()));
  int eth0 = 0;

  TwoNodes() {
    ok(node.create_veth({.name = "eth0", .mac = "02:00:00:00:00:01"},
                        {.name = "port0", .mac = "02:00:00:00:00:02", .netns_fd = switch_netns.get()}));
    eth0 = ok(node.link("eth0")).ifindex;
    ok(node.set_up(ok(node.link("lo")).ifindex));
    ok(node.set_up(eth0));
    ok(far.set_up(ok(far.link("port0")).ifindex));
    wait_until_up(node, "eth0");
    add_addresses();
    add_routes();
    ok(node.add_neighbour({.family = AF_INET,
                           .ifindex = eth0,
                           .address = "10.77.1.9",
                           .mac = "02:00:00:00:00:09",
                           .state = NUD_PERMANENT}));
    wait_for_dad(node);
    wait_for_dad(far);
  }

  void add_addresses() {
    ok(node.add_address(eth0, "10.77.1.1/24"));
    ok(node.add_address({.family = AF_INET, .ifindex = eth0, .local = "10.77.1.2", .prefix = 24, .label = "eth0:two"}));
    ok(node.add_address({.family = AF_INET, .ifindex = eth0, .local = "10.78.0.1", .peer = "10.78.0.2", .prefix = 32}));
    ok(node.add_address(eth0, "fd77::1/64"));
    ok(node.add_address({.family = AF_INET6, .ifindex = eth0, .local = "fd78::1", .prefix = 64, .metric = 300}));
    ok(node.add_address(
        {.family = AF_INET6, .ifindex = eth0, .local = "fd79::1", .prefix = 64, .valid_s = 5000, .preferred_s = 4000}));
  }

  void add_routes() {
    const auto add = [&](Route route) {
      route.ifindex = eth0;
      route.type = RTN_UNICAST;
      route.protocol = route.protocol == 0 ? RTPROT_STATIC : route.protocol;
      route.table = route.table == 0 ? RT_TABLE_MAIN : route.table;
      ok(node.add_route(route));
    };
    add({.family = AF_INET, .destination = "10.90.0.0", .prefix = 16, .scope = RT_SCOPE_LINK});
    add({.family = AF_INET, .destination = "10.91.0.0", .prefix = 16, .gateway = "10.90.0.7", .metric = 50});
    add({.family = AF_INET, .destination = "10.91.0.0", .prefix = 16, .gateway = "10.77.1.254", .metric = 60});
    add({.family = AF_INET, .gateway = "10.77.1.254", .source = "10.77.1.2", .metric = 900, .protocol = RTPROT_DHCP});
    add({.family = AF_INET,
         .destination = "10.92.0.0",
         .prefix = 16,
         .gateway = "192.0.2.1",
         .table = 1077,
         .onlink = true});
    add({.family = AF_INET,
         .destination = "10.93.0.0",
         .prefix = 16,
         .gateway = "10.77.1.254",
         .metrics = {{RTAX_MTU, 1400}, {RTAX_INITCWND, 20}}});
    add({.family = AF_INET6, .destination = "fd90::", .prefix = 48, .gateway = "fd77::fe", .metric = 77});
    add({.family = AF_INET6,
         .destination = "fd91::",
         .prefix = 48,
         .gateway = "fd77::fe",
         .metric = 1024,
         .table = 1077});
    add({.family = AF_INET6, .destination = "fd92::", .prefix = 48, .metric = 1024});
    wait_for_dad(node);  // a route with an IPv6 source address wants that address to be usable
    add({.family = AF_INET6,
         .destination = "fd93::",
         .prefix = 48,
         .gateway = "fd77::fe",
         .source = "fd77::1",
         .metric = 1024});
  }
};

}  // namespace grit::test
