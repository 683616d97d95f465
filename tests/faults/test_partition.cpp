// partition and loss through nftables: real packets over a veth, dropped and counted by the kernel.
#include <arpa/inet.h>
#include <nftables/libnftables.h>
#include <poll.h>
#include <sys/prctl.h>

#include <csignal>

#include "harness/os/netns.hpp"
#include "injectors/faults.hpp"
#include "injectors/packet_loss_nft.hpp"
#include "tests/two_nodes.hpp"

using namespace grit;
using grit::test::ok;

namespace {

std::string list_ruleset() {
  const std::unique_ptr<nft_ctx, void (*)(nft_ctx*)> context(nft_ctx_new(NFT_CTX_DEFAULT), nft_ctx_free);
  nft_ctx_buffer_output(context.get());
  REQUIRE(nft_run_cmd_from_buffer(context.get(), "list ruleset") == 0);
  return nft_ctx_get_output_buffer(context.get());
}

void add_users_rules() {
  const std::unique_ptr<nft_ctx, void (*)(nft_ctx*)> context(nft_ctx_new(NFT_CTX_DEFAULT), nft_ctx_free);
  REQUIRE(nft_run_cmd_from_buffer(context.get(),
                                  "add table inet site; add chain inet site in { type filter hook input priority 0; }; "
                                  "add rule inet site in tcp dport 2222 drop") == 0);
}

/// A UDP socket of the calling thread's namespace.
Fd bound(const char* address, std::uint16_t port) {
  Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  REQUIRE(::inet_pton(AF_INET, address, &to.sin_addr) == 1);
  REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
  const int large = 4 << 20;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &large, sizeof large);
  return socket;
}

/// The node (10.77.1.1) and a peer (10.77.1.7) behind the switch's end.
struct Pair {
  test::TwoNodes nodes;
  Fd here;
  Fd there;
  Pair() {
    ok(nodes.far.add_address(ok(nodes.far.link("port0")).ifindex, "10.77.1.7/24"));
    here = bound("10.77.1.1", 7001);
    ok(run_in_netns(nodes.switch_netns.get(), [&]() -> Status {
      there = bound("10.77.1.7", 7002);
      return {};
    }));
  }
  /// How many of `count` datagrams arrive.
  static int send(const Fd& from, const Fd& to, int count) {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    REQUIRE(::getsockname(to.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    int arrived = 0;
    char byte = 'x';
    for (int i = 0; i < count; ++i) {
      // A packet dropped on its way out is an error of the sender (EPERM); so is none.
      static_cast<void>(::sendto(from.get(), &byte, 1, 0, reinterpret_cast<const sockaddr*>(&address), size));
      while (::recv(to.get(), &byte, 1, MSG_DONTWAIT) == 1) ++arrived;
    }
    for (pollfd ready{to.get(), POLLIN, 0}; ::poll(&ready, 1, 100) == 1;)
      if (::recv(to.get(), &byte, 1, MSG_DONTWAIT) == 1) ++arrived;
    return arrived;
  }
};

Target target(const std::string& direction = "both") {
  Target target{"eth0", Params(ok(complete_params(partition().info().params, {{"direction", direction}})))};
  target.resolved = {{"peers", {"10.77.1.7", "fd77::7"}}};
  return target;
}

Topology three_nodes() {
  Topology topology;
  for (int i = 0; i < 3; ++i) {
    Node node;
    node.index = i;
    node.nics.push_back({.name = "eth0", .addresses = {fmt::format("10.0.0.{}/24", i), fmt::format("fd00::{}/64", i)}});
    node.nics.back().role = NicRole::data;
    node.nics.push_back({.name = "mgmt", .addresses = {fmt::format("192.0.2.{}/24", i)}});
    node.nics.back().role = NicRole::management;
    topology.nodes.push_back(node);
  }
  return topology;
}

Result<Json> resolve(const std::string& from, const std::vector<int>& on, std::size_t node) {
  const Topology topology = three_nodes();
  return partition().resolve(topology, on, topology.nodes[node],
                             Params(ok(complete_params(partition().info().params, {{"from", from}}))));
}

}  // namespace

TEST_CASE("partition: packets are dropped and counted, and afterwards the ruleset is the user's own") {
  test::in_namespaces([] {
    Pair pair;
    add_users_rules();
    const std::string before = list_ruleset();
    REQUIRE(partition().why_unavailable(target()).value_or("available") == "available");
    const auto load = ok(partition().prepare(target())).fault;
    REQUIRE(list_ruleset() == before);  // nothing changed yet
    REQUIRE_FALSE(ok(load->read()).left);
    REQUIRE(Pair::send(pair.here, pair.there, 20) == 20);
    const Json idle = ok(load->counters());
    for (int round = 1; round <= 2; ++round) {
      ok(load->start());
      REQUIRE(ok(load->read()).holds);
      ok(load->start());  // once more: the same rules, not twice
      REQUIRE(ok(load->read()).holds);
      REQUIRE(ok(load->read()).details["rules"] == 4);  // both directions, IPv4 and IPv6
      REQUIRE(list_ruleset() != before);
      REQUIRE(Pair::send(pair.here, pair.there, 20) == 0);
      REQUIRE(Pair::send(pair.there, pair.here, 20) == 0);
      ok(load->stop());
      ok(load->stop());
      REQUIRE(ok(load->counters())["dropped_packets"] >= 40 * round);
      REQUIRE_FALSE(ok(load->read()).left);
      REQUIRE(list_ruleset() == before);
      REQUIRE(Pair::send(pair.here, pair.there, 20) == 20);
    }
    REQUIRE(partition().acted(idle, ok(load->counters())));
    REQUIRE_FALSE(partition().acted(idle, idle));
  });
}

TEST_CASE("partition: one direction leaves the other alone") {
  test::in_namespaces([] {
    Pair pair;
    const auto load = ok(partition().prepare(target("in"))).fault;
    ok(load->start());
    REQUIRE(Pair::send(pair.here, pair.there, 20) == 20);
    REQUIRE(Pair::send(pair.there, pair.here, 20) == 0);
  });
}

TEST_CASE("partition: the kernel removes the table when its holder is killed") {
  test::in_namespaces([] {
    Pair pair;
    const std::string before = list_ruleset();
    int started[2];
    REQUIRE(::pipe(started) == 0);
    const pid_t holder = ::fork();
    REQUIRE(holder >= 0);
    if (holder == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      auto load = partition().prepare(target());
      const char good = load && load->fault->start() ? 'y' : 'n';
      static_cast<void>(!::write(started[1], &good, 1));
      for (;;) ::pause();
    }
    char good = 'n';
    REQUIRE(::read(started[0], &good, 1) == 1);
    REQUIRE(good == 'y');
    REQUIRE(Pair::send(pair.here, pair.there, 10) == 0);
    REQUIRE(::kill(holder, SIGKILL) == 0);
    REQUIRE(::waitpid(holder, nullptr, 0) == holder);
    REQUIRE(list_ruleset() == before);
    REQUIRE(Pair::send(pair.here, pair.there, 10) == 10);
  });
}

TEST_CASE("partition: without CAP_NET_ADMIN it says what is missing") {
  test::in_namespaces([] {
    test::drop_capabilities();
    REQUIRE(partition().why_unavailable(target()).value_or("available").find("CAP_NET_ADMIN") != std::string::npos);
  });
}

TEST_CASE("partition: the plan settles the peers' data addresses") {
  const Topology topology = three_nodes();
  const auto peers = [&](const Result<Json>& settled) {
    return ok(partition().resolved_on(topology, 0, ok(settled)))["peers"];
  };
  CHECK(peers(resolve("others", {0, 1}, 0)) == Json{"10.0.0.2", "fd00::2"});
  CHECK(peers(resolve("all", {0, 1}, 0)) == Json{"10.0.0.1", "fd00::1", "10.0.0.2", "fd00::2"});
  CHECK(ok(resolve("1,2", {0}, 0))["nodes"] == Json::array({Json::array({1, 2})}));
  CHECK_FALSE(partition().resolved_on(topology, 0, {{"nodes", {{1, 3}}}}));
  CHECK_FALSE(partition().resolved_on(topology, 0, {{"nodes", {{2, 1, 1}}}}));
  CHECK_FALSE(partition().resolved_on(topology, 0, {{"nodes", "all"}}));
  CHECK_FALSE(resolve("7", {0}, 0));
  CHECK_FALSE(resolve("1,", {0}, 0));
  CHECK_FALSE(resolve("0", {0}, 0));
  CHECK_FALSE(resolve("others", {0, 1, 2}, 0));
  CHECK(peers(resolve("1-2", {0}, 0)) == peers(resolve("1,2", {0}, 0)));
  Target hostile = target();
  hostile.resolved = {{"peers", {"10.0.0.1 }; flush ruleset; #"}}};
  CHECK(partition().why_unavailable(hostile).value_or("").find("no IP address") != std::string::npos);
}

TEST_CASE("loss through nftables drops about the share asked for") {
  test::in_namespaces([] {
    Pair pair;
    const NftLoss loss{.nic = "eth0", .direction = "out", .share = 0.3, .peers = {"10.77.1.7"}};
    REQUIRE(why_no_nft_loss(loss).value_or("available") == "available");
    const auto load = ok(make_nft_loss(loss));
    ok(load->start());
    const int arrived = Pair::send(pair.here, pair.there, 2000);
    const auto dropped = ok(load->counters())["dropped_packets"].get<int>();
    REQUIRE(arrived + dropped == 2000);
    REQUIRE(dropped > 600 - 124);  // 6 standard deviations: sqrt(2000 * 0.3 * 0.7) = 20.5
    REQUIRE(dropped < 600 + 124);
    REQUIRE(Pair::send(pair.there, pair.here, 50) == 50);
  });
}
