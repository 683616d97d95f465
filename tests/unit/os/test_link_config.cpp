#include <dlfcn.h>
#include <linux/rtnetlink.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include "harness/os/identity.hpp"
#include "harness/os/link_config.hpp"
#include "harness/os/link_config_compare.hpp"
#include "harness/os/netlink_message.hpp"
#include "harness/os/netns.hpp"
#include "tests/two_nodes.hpp"

using namespace grit;
using grit::test::ok;

namespace {

/// `ip route add 10.99.0.0/16 nexthop dev IFINDEX nexthop dev lo`
void add_multipath_route(int ifindex) {
  const std::unique_ptr<nl_sock, decltype(&nl_socket_free)> socket(ok(rtnl::open_socket()), nl_socket_free);
  rtnl::Message request(RTM_NEWROUTE, NLM_F_CREATE);
  rtmsg header{};
  header.rtm_family = AF_INET;
  header.rtm_dst_len = 16;
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_protocol = RTPROT_STATIC;
  header.rtm_scope = RT_SCOPE_LINK;
  header.rtm_type = RTN_UNICAST;
  rtnexthop hops[2]{};
  for (rtnexthop& hop : hops) hop.rtnh_len = sizeof hop;
  hops[0].rtnh_ifindex = ifindex;
  hops[1].rtnh_ifindex = 1;
  request.header(header)
      .bytes(RTA_DST, ok(rtnl::ip_bytes(AF_INET, "10.99.0.0")))
      .bytes(RTA_MULTIPATH, {reinterpret_cast<const char*>(hops), sizeof hops});
  REQUIRE(rtnl::exchange(socket.get(), request).has_value());
}

/// Requests of this type fail as long as it is not 0.
int failing_request = 0;

}  // namespace

/// In the place of libnl's.
extern "C" int nl_send_auto(nl_sock* socket, nl_msg* message) {
  if (failing_request != 0 && nlmsg_hdr(message)->nlmsg_type == failing_request) return -NLE_NOMEM;
  static const auto theirs = reinterpret_cast<int (*)(nl_sock*, nl_msg*)>(::dlsym(RTLD_NEXT, "nl_send_auto"));
  return theirs(socket, message);
}

TEST_CASE("link config: a link comes up again though nothing of it can be read") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    const auto before = test::dump_network();
    const LinkConfig config = ok(read_link_config("eth0"));
    for (const int request : {RTM_GETADDR, RTM_GETROUTE, RTM_GETNEIGH}) {
      ok(nodes.node.set_down(nodes.eth0));
      failing_request = request;
      REQUIRE_FALSE(restore_link_config(config).has_value());
      failing_request = 0;
      REQUIRE(ok(nodes.node.link("eth0")).up());
    }
    REQUIRE(ok(restore_link_config(config)) == Reverted::put_back);
    test::wait_for_dad(nodes.node);
    REQUIRE(test::changes_since(before) == "");
  });
}

TEST_CASE("link config: it ends, with what is missing, where a route is in the way of one and another is impossible") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    LinkConfig config = ok(read_link_config("eth0"));
    const auto static_one = std::find_if(config.routes.begin(), config.routes.end(),
                                         [](const Route& one) { return one.destination == "fd92::"; });
    REQUIRE(static_one != config.routes.end());
    ok(nodes.node.remove_route(*static_one));
    Route by_another = *static_one;
    by_another.protocol = RTPROT_BOOT;
    ok(nodes.node.add_route(by_another));
    Route nowhere = *static_one;
    nowhere.family = AF_INET, nowhere.destination = "10.94.0.0", nowhere.prefix = 16, nowhere.gateway = "203.0.113.1";
    config.routes.push_back(nowhere);
    const auto restored = restore_link_config(config);
    REQUIRE_FALSE(restored.has_value());
    REQUIRE_THAT(restored.error().message, Catch::Contains("10.94.0.0/16"));
  });
}

TEST_CASE("link config: through JSON and back it is the same") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    const LinkConfig config = ok(read_link_config("eth0"));
    REQUIRE(config.addresses.size() == 7);  // three IPv4, three IPv6, the link-local one
    REQUIRE(config.routes.size() >= 10);
    REQUIRE(config.neighbours.size() == 1);
    const Json json = to_json(config);
    const LinkConfig back = ok(link_config_from_json(ok(parse_json(json.dump()))));
    REQUIRE(back.addresses == config.addresses);
    REQUIRE(back.routes == config.routes);
    REQUIRE(back.neighbours == config.neighbours);
    REQUIRE(to_json(back) == json);
  });
}

TEST_CASE("link config: a tampered record is refused") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    const Json good = to_json(ok(read_link_config("eth0")));
    REQUIRE(link_config_from_json(good).has_value());
    const auto refused = [&](const std::string& pointer, const Json& value) {
      Json bad = good;
      bad[Json::json_pointer(pointer)] = value;
      const auto read = link_config_from_json(bad);
      INFO(pointer << " = " << value);
      REQUIRE_FALSE(read.has_value());
      REQUIRE(read.error().kind == ErrorKind::usage);
    };
    refused("/extra", 1);
    refused("/identity/extra", 1);
    refused("/identity/name", "../../etc");
    refused("/identity/name", "..");
    refused("/identity/name", "a_name_that_is_too_long");
    refused("/identity/name", "");
    refused("/identity/ifindex", -1);
    refused("/identity/ifindex", 1.5);
    refused("/identity/ifindex", 18446744073709551615ULL);
    refused("/addresses/0/local", "not an address");
    refused("/addresses/0/family", "ipx");
    refused("/addresses/0/prefix", 200);
    refused("/addresses/0/path", "/etc/passwd");
    refused("/routes/0/gateway", "example.org");
    refused("/routes/0/metrics", Json{{"99", 1}});
    refused("/routes/0/onlink", "yes");
    refused("/neighbours/0/address", "");
    refused("/sysctls/../../kernel/core_pattern", 1);
    refused("/sysctls", Json{{"forwarding", 1}});
    refused("/up", 1);
    for (const auto& [key, value] : good.items()) {
      Json bad = good;
      bad.erase(key);
      REQUIRE_FALSE(link_config_from_json(bad).has_value());
    }
    for (const Json& bad : {Json(), Json(1), Json::array(), Json("link")})
      REQUIRE_FALSE(link_config_from_json(bad).has_value());
  });
}

TEST_CASE("link config: differences are named") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    const LinkConfig config = ok(read_link_config("eth0"));
    REQUIRE(ok(link_config_differences(config)).empty());
    ok(nodes.node.set_down(nodes.eth0));
    const auto lines = ok(link_config_differences(config));
    const std::string all = fmt::format("{}", fmt::join(lines, "\n"));
    REQUIRE_THAT(all, Catch::Contains("it is down") && Catch::Contains("address fd77::1/64 is missing"));
    REQUIRE_THAT(all, Catch::Contains("10.91.0.0/16 by 10.90.0.7") && Catch::Contains("neighbour 10.77.1.9"));
  });
}

TEST_CASE("link config: what others added meanwhile stays, what the kernel added unasked goes") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    for (const Address& address : ok(nodes.node.addresses(nodes.eth0)))
      if (address.scope == RT_SCOPE_LINK && address.family == AF_INET6) ok(nodes.node.remove_address(address));
    for (const Route& route : ok(nodes.node.routes(nodes.eth0)))
      if (route.destination == "10.77.1.0" && route.type == RTN_UNICAST) ok(nodes.node.remove_route(route));
    const auto before = test::dump_network();
    const LinkConfig config = ok(read_link_config("eth0"));
    ok(nodes.node.set_down(nodes.eth0));
    ok(restore_link_config(config));
    test::wait_for_dad(nodes.node);
    REQUIRE(test::changes_since(before) == "");

    ok(nodes.node.set_down(nodes.eth0));
    ok(nodes.node.add_address(nodes.eth0, "10.123.0.1/24"));
    ok(restore_link_config(config));
    bool there = false;
    for (const Address& address : ok(nodes.node.addresses(nodes.eth0))) there = there || address.local == "10.123.0.1";
    REQUIRE(there);
  });
}

TEST_CASE("link config: an interface that has another MAC or name by now is still the same one") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    const LinkConfig config = ok(read_link_config("eth0"));
    ok(nodes.node.set_down(nodes.eth0));
    ok(nodes.node.set_mac(nodes.eth0, "02:00:00:00:00:77"));  // as a bond does with fail_over_mac
    REQUIRE_FALSE(ok(link_config_differences(config)).empty());
    REQUIRE(ok(restore_link_config(config)) == Reverted::put_back);
    REQUIRE(ok(nodes.node.link("eth0")).up());
    REQUIRE(ok(link_config_differences(config)).empty());

    ok(nodes.node.set_mac(nodes.eth0, config.identity.mac));
    ok(nodes.node.set_down(nodes.eth0));
    ok(nodes.node.rename(nodes.eth0, "renamed0"));
    REQUIRE(ok(restore_link_config(config)) == Reverted::put_back);
    REQUIRE(ok(nodes.node.link("renamed0")).up());

    ok(nodes.node.set_down(nodes.eth0));
    ok(nodes.node.set_mac(nodes.eth0, "02:00:00:00:00:78"));
    const auto unclear = restore_link_config(config);
    REQUIRE(unclear.error().kind == ErrorKind::unavailable);
    REQUIRE_THAT(unclear.error().message, Catch::Contains("whether it is the same one"));
    REQUIRE_FALSE(ok(nodes.node.link("renamed0")).up());
    ok(nodes.node.remove_link(nodes.eth0));
    REQUIRE(ok(restore_link_config(config)) == Reverted::gone);
  });
}

TEST_CASE("link config: hardware tells interfaces of one index apart") {
  const LinkIdentity was{.name = "eth0", .mac = "a", .permanent_mac = "p", .bus_device = "0000:3b:00.0"};
  const auto now = [](const char* name, const char* mac, const char* permanent, const char* bus) {
    Link link;
    link.name = name, link.mac = mac, link.permanent_mac = permanent, link.bus_device = bus;
    return link;
  };
  REQUIRE(link_config::is_same(was, now("eth0", "a", "p", "0000:3b:00.0")) == true);
  REQUIRE(link_config::is_same(was, now("x", "y", "p", "0000:3b:00.0")) == true);
  REQUIRE(link_config::is_same(was, now("eth0", "a", "q", "0000:3b:00.0")) == false);
  REQUIRE(link_config::is_same(was, now("eth0", "a", "p", "0000:3b:00.1")) == false);
  REQUIRE(link_config::is_same(was, now("eth0", "b", "", "")) == true);
  REQUIRE(link_config::is_same(was, now("x", "a", "", "")) == true);
  REQUIRE_FALSE(link_config::is_same(was, now("x", "b", "", "")).has_value());
}

TEST_CASE("link config: without a carrier it is put back at once, and what waits for one when it is there") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    const LinkConfig config = ok(read_link_config("eth0"));
    const auto before = test::dump_network();
    ok(nodes.node.set_down(nodes.eth0));
    ok(nodes.far.set_down(ok(nodes.far.link("port0")).ifindex));
    const std::int64_t started_ns = monotonic_ns();
    REQUIRE(ok(restore_link_config(config)) == Reverted::put_back);
    REQUIRE(monotonic_ns() - started_ns < kNsPerS);  // a real link may need 20 s
    REQUIRE(ok(nodes.node.link("eth0")).up());
    REQUIRE_FALSE(ok(nodes.node.link("eth0")).carrier);
    REQUIRE(ok(link_config_differences(config)).empty());
    ok(nodes.far.set_up(ok(nodes.far.link("port0")).ifindex));
    REQUIRE(ok(restore_link_config(config)) == Reverted::put_back);
    test::wait_for_dad(nodes.node);
    REQUIRE(test::changes_since(before) == "");
  });
}

TEST_CASE("link config: IPv6 settings that changed are put back") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    const auto before = test::dump_network();
    const LinkConfig config = ok(read_link_config("eth0"));
    REQUIRE(config.sysctls.at("disable_ipv6") == 0);
    test::detail::write_text("/proc/sys/net/ipv6/conf/eth0/disable_ipv6",
                             "1");  // the kernel does so when accept_dad=2 fails
    REQUIRE_FALSE(ok(link_config_differences(config)).empty());
    ok(restore_link_config(config));
    test::wait_for_dad(nodes.node);
    REQUIRE(test::changes_since(before) == "");
  });
}

TEST_CASE("link config: what could not be put back exactly is refused before anything is done") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    add_multipath_route(nodes.eth0);
    const auto refused = read_link_config("eth0");
    REQUIRE_FALSE(refused.has_value());
    REQUIRE(refused.error().kind == ErrorKind::unavailable);
    REQUIRE_THAT(refused.error().message, Catch::Contains("multipath") && Catch::Contains("10.99.0.0/16"));
    for (const Route& route : ok(nodes.node.routes(nodes.eth0)))
      if (!route.unsupported.empty()) REQUIRE_FALSE(nodes.node.add_route(route).has_value());
  });
}

TEST_CASE("identity: namespaces and boots differ from each other") {
  test::in_namespaces([] {
    const std::string here = ok(netns_id());
    const Fd other = test::new_netns();
    REQUIRE(ok(netns_id(other.get())) != here);
    std::string inside;
    ok(run_in_netns(other.get(), [&]() -> Status {
      GRIT_TRY(inside, netns_id());
      return {};
    }));
    REQUIRE(inside == ok(netns_id(other.get())));
    REQUIRE(ok(netns_id()) == here);
    REQUIRE(find_namespace("net", here).path == fmt::format("/proc/{}/ns/net", ::getpid()));
    REQUIRE(find_namespace("net", inside).path == fmt::format("/proc/{}/fd/{}", ::getpid(), other.get()));
    REQUIRE(find_namespace("net", "4:1").path.empty());
    REQUIRE(ok(boot_id()).size() == 36);  // a UUID
    REQUIRE(open_netns("/proc/self/ns/mnt").error().kind == ErrorKind::usage);
    REQUIRE(open_netns("/nowhere").error().kind == ErrorKind::usage);
  });
}
