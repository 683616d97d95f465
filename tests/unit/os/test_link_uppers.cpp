// What stands on an interface comes back with it: on real links; kinds that this kernel has not are skipped.
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include "harness/os/link_config.hpp"
#include "harness/os/link_uppers.hpp"
#include "harness/os/netlink_bond.hpp"
#include "harness/os/netlink_message.hpp"
#include "tests/two_nodes.hpp"

using namespace grit;
using grit::test::ok;

namespace {

/// `ip link add NAME link LOWER type KIND ...`; false: this kernel has no such kind.
bool make_link(const std::string& name, const std::string& kind, int lower,
               const std::function<void(rtnl::Message&)>& options = {}) {
  const std::unique_ptr<nl_sock, decltype(&nl_socket_free)> socket(ok(rtnl::open_socket()), nl_socket_free);
  rtnl::Message request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  request.header(ifinfomsg{}).text(IFLA_IFNAME, name);
  if (lower != 0) request.u32(IFLA_LINK, static_cast<std::uint32_t>(lower));
  request.nest(IFLA_LINKINFO, [&](rtnl::Message& info) {
    info.text(IFLA_INFO_KIND, kind);
    if (options) info.nest(IFLA_INFO_DATA, options);
  });
  const auto made = rtnl::exchange(socket.get(), request);
  if (!made && made.error().error_number == EOPNOTSUPP) {
    test::skip(fmt::format("this kernel has no {} links", kind));
    return false;
  }
  INFO((made ? std::string() : made.error().words));
  REQUIRE(made.has_value());
  return true;
}

bool make_vlan(const std::string& name, int lower, std::uint16_t id) {
  return make_link(name, "vlan", lower, [&](rtnl::Message& data) {
    data.bytes(IFLA_VLAN_ID, {reinterpret_cast<const char*>(&id), sizeof id});
  });
}

/// Everything that an interface can lose; `net` tells one interface's addresses from another's.
void furnish(Netlink& netlink, const std::string& name, int net) {
  const int ifindex = ok(netlink.link(name)).ifindex;
  test::detail::write_text(fmt::format("/proc/sys/net/ipv6/conf/{}/accept_dad", name).c_str(), "0");
  ok(netlink.set_up(ifindex));
  ok(netlink.add_address(ifindex, fmt::format("10.80.{}.1/24", net)));
  ok(netlink.add_address(ifindex, fmt::format("fd80:{}::1/64", net)));
  const auto route = [&](Route one) {
    one.ifindex = ifindex;
    one.type = RTN_UNICAST;
    one.protocol = RTPROT_STATIC;
    one.table = RT_TABLE_MAIN;
    ok(netlink.add_route(one));
  };
  const std::string v4 = fmt::format("10.81.{}.0", net);
  const std::string v6 = fmt::format("fd81:{}::", net);
  route({.family = AF_INET, .destination = v4, .prefix = 24, .gateway = fmt::format("10.80.{}.9", net), .metric = 5});
  route({.family = AF_INET6, .destination = v6, .prefix = 48, .gateway = fmt::format("fd80:{}::9", net), .metric = 9});
  ok(netlink.add_neighbour({.family = AF_INET,
                            .ifindex = ifindex,
                            .address = fmt::format("10.80.{}.9", net),
                            .mac = "02:00:00:00:00:09",
                            .state = NUD_PERMANENT}));
}

/// Carriers of what stands on top settle a moment after the lower one's.
std::string changes_that_stay(Netlink& netlink, const std::vector<std::string>& before) {
  test::wait_for_dad(netlink);
  const std::int64_t deadline_ns = monotonic_ns() + 3 * kNsPerS;
  std::string changes = test::changes_since(before);
  while (!changes.empty() && monotonic_ns() < deadline_ns) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    changes = test::changes_since(before);
  }
  return changes;
}

void settle(Netlink& netlink) {
  test::wait_for_dad(netlink);
  std::this_thread::sleep_for(std::chrono::milliseconds(1200));  // linkwatch: at most one a second and link
}

void goes_down_and_comes_back(test::TwoNodes& nodes, std::size_t uppers) {
  settle(nodes.node);
  const auto before = test::dump_network();
  const LinkConfig config = ok(read_link_config("eth0"));
  REQUIRE(config.uppers.size() == uppers);
  REQUIRE(to_json(ok(link_config_from_json(to_json(config)))) == to_json(config));
  REQUIRE(ok(link_config_differences(config)).empty());
  ok(nodes.node.set_down(nodes.eth0));
  REQUIRE(test::changes_since(before) != "");
  ok(restore_link_config(config));
  REQUIRE(changes_that_stay(nodes.node, before) == "");
  REQUIRE(ok(link_config_differences(config)).empty());
  ok(restore_link_config(config));
  REQUIRE(changes_that_stay(nodes.node, before) == "");
}

}  // namespace

TEST_CASE("uppers: a macvlan keeps what it has") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    if (!make_link("mac0", "macvlan", nodes.eth0)) return;
    furnish(nodes.node, "mac0", 1);
    goes_down_and_comes_back(nodes, 1);
  });
}

TEST_CASE("uppers: routes and addresses that others took off a macvlan meanwhile are put back") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    if (!make_link("mac0", "macvlan", nodes.eth0)) return;
    furnish(nodes.node, "mac0", 1);
    settle(nodes.node);
    const auto before = test::dump_network();
    const LinkConfig config = ok(read_link_config("eth0"));
    ok(nodes.node.set_down(nodes.eth0));
    ok(nodes.node.set_down(ok(nodes.node.link("mac0")).ifindex));  // as a VLAN does by itself
    const auto lines = ok(link_config_differences(config));
    const std::string all = fmt::format("{}", fmt::join(lines, "\n"));
    REQUIRE_THAT(all, Catch::Contains("on mac0: it is down") && Catch::Contains("on mac0: address fd80:1::1/64"));
    ok(restore_link_config(config));
    REQUIRE(changes_that_stay(nodes.node, before) == "");
  });
}

TEST_CASE("uppers: VLANs and a VLAN in a VLAN get back what they lose, one that was down stays down") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    if (!make_vlan("eth0.7", nodes.eth0, 7)) return;
    const int seven = ok(nodes.node.link("eth0.7")).ifindex;
    REQUIRE(make_vlan("inner", seven, 8));
    REQUIRE(make_vlan("down", nodes.eth0, 9));
    furnish(nodes.node, "eth0.7", 1);
    furnish(nodes.node, "inner", 2);
    furnish(nodes.node, "down", 3);
    const int down = ok(nodes.node.link("down")).ifindex;
    ok(nodes.node.set_down(down));
    ok(nodes.node.add_address(down, "fd80:3::1/64"));
    goes_down_and_comes_back(nodes, 3);
  });
}

TEST_CASE("uppers: a bridge port comes back, and a VLAN on the bridge") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    ok(nodes.node.create_bridge("br0"));
    const int bridge = ok(nodes.node.link("br0")).ifindex;
    ok(nodes.node.set_master(nodes.eth0, bridge));
    furnish(nodes.node, "br0", 1);
    const bool vlan = make_vlan("br0.7", bridge, 7);
    if (vlan) furnish(nodes.node, "br0.7", 2);
    goes_down_and_comes_back(nodes, vlan ? 2 : 1);
  });
}

TEST_CASE("uppers: a bond's only port comes back, and a VLAN on the bond") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    if (!make_link("bond7", "bond", 0)) return;
    const int bond = ok(nodes.node.link("bond7")).ifindex;
    ok(nodes.node.set_down(nodes.eth0));  // a bond takes only such
    ok(nodes.node.set_master(nodes.eth0, bond));
    ok(nodes.node.set_up(nodes.eth0));
    furnish(nodes.node, "bond7", 1);
    REQUIRE(make_vlan("bond7.7", bond, 7));
    furnish(nodes.node, "bond7.7", 2);
    goes_down_and_comes_back(nodes, 2);
  });
}

TEST_CASE("uppers: a bond goes back to the port that was its active one") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    const bool bonds = make_link("bond7", "bond", 0, [](rtnl::Message& data) {
      data.u8(IFLA_BOND_MODE, 1);  // active-backup
      data.u32(IFLA_BOND_MIIMON, 50);
    });
    if (!bonds) return;
    const int bond = ok(nodes.node.link("bond7")).ifindex;
    ok(nodes.node.create_veth({.name = "eth1"}, {.name = "port1", .netns_fd = nodes.switch_netns.get()}));
    ok(nodes.far.set_up(ok(nodes.far.link("port1")).ifindex));
    const int eth1 = ok(nodes.node.link("eth1")).ifindex;
    ok(nodes.node.set_down(nodes.eth0));
    for (const int port : {nodes.eth0, eth1}) {
      ok(nodes.node.set_master(port, bond));
      ok(nodes.node.set_up(port));
    }
    furnish(nodes.node, "bond7", 1);
    settle(nodes.node);
    ok(set_bond_active_port(bond, nodes.eth0));
    const auto before = test::dump_network();
    const LinkConfig config = ok(read_link_config("eth0"));
    REQUIRE(ok(read_link_config("eth1")).uppers.at(0).bond_active == 0);
    ok(nodes.node.set_down(nodes.eth0));
    for (const std::int64_t deadline_ns = monotonic_ns() + 3 * kNsPerS; ok(bond_active_port(bond)) != eth1;)
      REQUIRE(monotonic_ns() < deadline_ns);  // it looks every 50 ms
    ok(restore_link_config(config));
    REQUIRE(ok(bond_active_port(bond)) == nodes.eth0);
    REQUIRE(changes_that_stay(nodes.node, before) == "");
  });
}

TEST_CASE("uppers: one that was deleted or is another one now is left alone") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    if (!make_link("mac0", "macvlan", nodes.eth0)) return;
    furnish(nodes.node, "mac0", 1);
    const LinkConfig config = ok(read_link_config("eth0"));
    ok(nodes.node.set_down(nodes.eth0));
    ok(nodes.node.remove_link(ok(nodes.node.link("mac0")).ifindex));
    REQUIRE(make_link("mac0", "macvlan", nodes.eth0));
    ok(restore_link_config(config));
    REQUIRE_FALSE(ok(nodes.node.link("mac0")).up());
    REQUIRE(ok(link_config_differences(config)).empty());

    LinkConfig wrong = config;  // a record that names an interface which does not stand on this one
    wrong.uppers[0].identity = ok(read_link_config("lo")).identity;
    ok(nodes.node.set_down(wrong.uppers[0].identity.ifindex));
    ok(restore_link_config(wrong));
    REQUIRE_FALSE(ok(nodes.node.link("lo")).up());
  });
}

TEST_CASE("uppers: a record's are checked as closely as the rest") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    if (!make_link("mac0", "macvlan", nodes.eth0)) return;
    const Json good = to_json(ok(read_link_config("eth0")));
    REQUIRE(link_config_from_json(good).has_value());
    Json bad = good;
    bad["uppers"][0]["uppers"] = Json::array();
    REQUIRE_FALSE(link_config_from_json(bad).has_value());
    bad = good;
    bad["uppers"][0]["identity"]["name"] = "../x";
    REQUIRE_FALSE(link_config_from_json(bad).has_value());
  });
}

TEST_CASE("uppers: found by what they are built on and by their master, nearest first") {
  const std::vector<Link> all{{.ifindex = 2, .name = "eth0", .master_ifindex = 9},
                              {.ifindex = 3, .name = "eth1", .master_ifindex = 9},
                              {.ifindex = 4, .name = "bond0.7", .kind = "vlan", .link_ifindex = 9},
                              {.ifindex = 5, .name = "eth0.7", .kind = "vlan", .link_ifindex = 2},
                              {.ifindex = 6, .name = "inner", .kind = "vlan", .link_ifindex = 5},
                              {.ifindex = 7, .name = "elsewhere", .kind = "vlan", .link_ifindex = 2, .link_netnsid = 1},
                              {.ifindex = 8, .name = "veth", .kind = "veth", .link_ifindex = 2},
                              {.ifindex = 9, .name = "bond0", .kind = "bond"},
                              {.ifindex = 10, .name = "mac0", .kind = "macvlan", .link_ifindex = 5}};
  std::vector<std::string> found;
  for (const UpperLink& one : link_uppers(all, 2))
    found.push_back(
        fmt::format("{}{}{}", one.link.name, one.by_master ? " by master" : "", one.goes_down ? " down" : ""));
  CHECK(found == std::vector<std::string>{"eth0.7 down", "bond0 by master", "inner down", "mac0", "bond0.7 by master"});
  CHECK(link_uppers(all, 3).size() == 2);
  CHECK(link_uppers(all, 77).empty());
}
