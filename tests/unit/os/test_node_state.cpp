#include <linux/if_addr.h>
#include <linux/pkt_sched.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <signal.h>

#include <chrono>
#include <thread>

#include "harness/os/netlink_message.hpp"
#include "harness/os/node_state.hpp"
#include "tests/namespace.hpp"

using namespace grit;
using grit::test::ok;

namespace {

/// The kernel brings links up and gives them IPv6 addresses in its own time.
void wait_until_settled() {
  const std::int64_t deadline = monotonic_ns() + 10 * kNsPerS;
  for (NodeState before = read_node_state(); monotonic_ns() < deadline;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    NodeState now = read_node_state();
    if (differences(before, now).empty()) return;
    before = std::move(now);
  }
}

/// A pair of interfaces, up, with an address.
int make_pair(Netlink& netlink) {
  test::without_dad();
  ok(netlink.create_veth({.name = "eth0", .mac = "02:00:00:00:00:0a"}, {.name = "far0"}));
  const int eth0 = ok(netlink.link("eth0")).ifindex;
  ok(netlink.set_up(eth0));
  ok(netlink.set_up(ok(netlink.link("far0")).ifindex));
  ok(netlink.add_address(eth0, "10.77.1.1/24"));
  wait_until_settled();
  return eth0;
}

/// Adds (RTM_NEWQDISC) or takes away (RTM_DELQDISC) a token bucket at the root of an interface.
void change_qdisc(int type, int ifindex) {
  const std::unique_ptr<nl_sock, decltype(&nl_socket_free)> socket(ok(rtnl::open_socket()), nl_socket_free);
  tcmsg header{};
  header.tcm_ifindex = ifindex;
  header.tcm_handle = 0x77770000;
  header.tcm_parent = TC_H_ROOT;
  rtnl::Message request(type, type == RTM_NEWQDISC ? NLM_F_CREATE | NLM_F_EXCL : 0);
  request.header(header).text(TCA_KIND, "pfifo");
  const auto done = rtnl::exchange(socket.get(), request);
  INFO((done ? std::string() : done.error().words));
  REQUIRE(done.has_value());
}

std::string all(const std::vector<std::string>& lines) { return fmt::format("{}", fmt::join(lines, "\n")); }

}  // namespace

TEST_CASE("node state: what is changed shows, and what is put back does not") {
  test::in_namespaces([] {
    Netlink netlink = ok(Netlink::open());
    const int eth0 = make_pair(netlink);
    const NodeState before = read_node_state();
    REQUIRE(all(differences(before, read_node_state())).empty());
    REQUIRE(before.at("links").things.at("eth0") == "up, mtu 1500, mac 02:00:00:00:00:0a, veth");

    const auto shows = [&](const std::string& expected) {
      const std::string found = all(differences(before, read_node_state()));
      INFO(found);
      REQUIRE(found.find(expected) != std::string::npos);
    };
    const auto is_mended = [&] { REQUIRE(all(differences(before, read_node_state())).empty()); };

    ok(netlink.set_mtu(eth0, 1400));
    shows("links: eth0: up, mtu 1500");
    ok(netlink.set_mtu(eth0, 1500));
    is_mended();

    change_qdisc(RTM_NEWQDISC, eth0);
    shows("qdiscs: new: eth0 77770000: parent ffffffff (pfifo");
    change_qdisc(RTM_DELQDISC, eth0);
    is_mended();

    ok(netlink.add_address(eth0, "10.77.9.1/32"));
    shows("addresses: new: eth0 10.77.9.1/32");
    ok(netlink.remove_address(Address{.family = AF_INET, .ifindex = eth0, .local = "10.77.9.1", .prefix = 32}));
    is_mended();

    const int far0 = ok(netlink.link("far0")).ifindex;
    ok(netlink.set_down(far0));
    shows("links: far0: up");
  });
}

TEST_CASE("node state: what faults can have changed is told from what others did") {
  test::in_namespaces([] {
    Netlink netlink = ok(Netlink::open());
    const int eth0 = make_pair(netlink);
    ok(netlink.create_bridge("br0"));
    ok(netlink.set_master(eth0, ok(netlink.link("br0")).ifindex));
    wait_until_settled();
    const FaultReach reach = ok(reach_of({"eth0"}));
    REQUIRE(reach.interfaces == std::set<std::string>{"eth0", "br0"});
    const NodeState before = read_node_state();

    ok(netlink.create_veth({.name = "pod0"}, {.name = "pod1"}));  // a container starts
    ok(netlink.add_address(ok(netlink.link("pod0")).ifindex, "10.88.0.1/24"));
    change_qdisc(RTM_NEWQDISC, ok(netlink.link("far0")).ifindex);
    NodeChanges found = changes(before, read_node_state(), reach);
    REQUIRE(all(found.within_reach) == "");
    REQUIRE_THAT(all(found.elsewhere), Catch::Contains("links: new: pod0") && Catch::Contains("qdiscs: new: far0") &&
                                           Catch::Contains("addresses: new: pod0 10.88.0.1/24"));

    change_qdisc(RTM_NEWQDISC, eth0);
    ok(netlink.set_mtu(ok(netlink.link("br0")).ifindex, 1300));
    found = changes(before, read_node_state(), reach);
    REQUIRE_THAT(all(found.within_reach), Catch::Contains("qdiscs: new: eth0") && Catch::Contains("links: br0: "));
    REQUIRE(all(found.elsewhere).find("eth0") == std::string::npos);
    found = changes(before, read_node_state(), FaultReach{});
    REQUIRE(all(found.within_reach) == "");  // a plan that acts on no interface
    REQUIRE(all(found.elsewhere).find("eth0") != std::string::npos);

    found = changes(before, read_node_state(), FaultReach{.everything = true});
    REQUIRE(all(found.elsewhere) == "");  // a plan that runs commands

    NodeState tables_before, tables_after;
    tables_before["nftables"] = {};
    tables_after["nftables"].things = {{"chain input of table grit_7_8 (family 1)", ""}, {"table kube (family 1)", ""}};
    found = changes(tables_before, tables_after, reach);
    REQUIRE(found.within_reach == std::vector<std::string>{"nftables: new: chain input of table grit_7_8 (family 1)"});
    REQUIRE(found.elsewhere == std::vector<std::string>{"nftables: new: table kube (family 1)"});
  });
}

TEST_CASE("node state: another namespace's links are not this one's") {
  test::in_namespaces([] {
    Netlink netlink = ok(Netlink::open());
    make_pair(netlink);
    const NodeState before = read_node_state();
    const Fd other = test::new_netns();
    Netlink there = ok(Netlink::open_in(other.get()));
    ok(there.create_veth({.name = "x0"}, {.name = "x1"}));
    REQUIRE(all(differences(before, read_node_state())).empty());
  });
}

TEST_CASE("node state: a stopped process, its affinity, and one that ended") {
  const pid_t child = ::fork();
  if (child == 0)
    for (;;) ::pause();
  const std::vector<int> pids{child};
  const NodeState before = read_process_state(pids);
  CHECK(before.at("processes").things.size() >= 1);
  ::kill(child, SIGSTOP);
  int status = 0;
  REQUIRE(::waitpid(child, &status, WUNTRACED) == child);
  const std::string stopped = all(differences(before, read_process_state(pids)));
  CHECK(stopped.find("not stopped") != std::string::npos);
  CHECK(stopped.find("-> stopped") != std::string::npos);
  ::kill(child, SIGCONT);
  REQUIRE(::waitpid(child, &status, WCONTINUED) == child);
  CHECK(all(differences(before, read_process_state(pids))).empty());

  cpu_set_t set, one;
  REQUIRE(::sched_getaffinity(child, sizeof set, &set) == 0);
  if (CPU_COUNT(&set) > 1) {
    CPU_ZERO(&one);
    for (int cpu = 0; CPU_COUNT(&one) == 0; ++cpu)
      if (CPU_ISSET(cpu, &set)) CPU_SET(cpu, &one);
    REQUIRE(::sched_setaffinity(child, sizeof one, &one) == 0);
    CHECK(all(differences(before, read_process_state(pids))).find("CPUs") != std::string::npos);
  }
  ::kill(child, SIGKILL);
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(all(differences(before, read_process_state(pids))).empty());  // ended: not left behind
}

TEST_CASE("node state: what could not be read is said, and not compared") {
  StatePart read, unread;
  read.things["table a"] = "1 in use";
  unread.unread = "no permission";
  CHECK(differences({{"nftables", unread}}, {{"nftables", read}}).empty());
  CHECK(differences({{"nftables", read}}, {{"nftables", unread}}).empty());
  const NodeState half{{"nftables", unread}, {"links", read}}, whole{{"nftables", read}, {"links", read}};
  const std::vector<std::string> said{"nftables: no permission"};
  CHECK(unread_within(half, whole, {.interfaces = {"eth0"}}) == said);
  CHECK(unread_within(whole, half, {.everything = true}) == said);
  CHECK(unread_within(whole, half, {}).empty());
  CHECK(unread_within(whole, whole, {.everything = true}).empty());
  CHECK(unread_within({{"control groups", unread}}, {{"control groups", read}}, {}).size() == 1);
  read.compare = StatePart::Compare::added;
  CHECK(differences({{"control groups", read}}, {{"control groups", StatePart{}}}).empty());
}
