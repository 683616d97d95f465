// ethernet_flood over a veth between two network namespaces.
#include <sys/socket.h>

#include <cmath>
#include <csignal>

#include "harness/base/files.hpp"
#include "injectors/injector.hpp"
#include "tests/two_nodes.hpp"

using namespace grit;
using grit::test::ok;

namespace {

const Injector& flood() {
  const Injector* injector = find_injector("ethernet_flood");
  REQUIRE(injector != nullptr);
  return *injector;
}

Params params(Json given = Json::object()) {
  return Params(ok(complete_params(flood().info().params, std::move(given))));
}

void sleep_ms(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

/// The node of this namespace sends to the one behind the veth, whose load is made and driven in its own namespace.
struct Pair {
  test::TwoNodes nodes;
  Fd here{::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)};
  Json flow{{"from", 0}, {"to", 1}, {"source", "10.77.1.1"}, {"destination", "10.77.1.20"}, {"port", 20'000}};

  Pair() { ok(nodes.far.add_address(ok(nodes.far.link("port0")).ifindex, "10.77.1.20/24")); }

  /// On this very thread: workers die with the thread that made them.
  template <class Work>
  auto in_far(Work work) const {
    REQUIRE(::setns(nodes.switch_netns.get(), CLONE_NEWNET) == 0);
    auto result = work();
    REQUIRE(::setns(here.get(), CLONE_NEWNET) == 0);
    return result;
  }
  [[nodiscard]] Target sender(const Params& given) const {
    return {"eth0", given, {{"send", {flow}}, {"listen", Json::array()}}, {}};
  }
  [[nodiscard]] Target receiver(const Params& given) const {
    return {"port0", given, {{"send", Json::array()}, {"listen", {flow}}}, {}};
  }
};

std::size_t sockets_here() {
  std::size_t lines = 0;
  for (const char* file : {"/proc/thread-self/net/tcp", "/proc/thread-self/net/udp"}) {
    const std::string text = ok(read_file(file));
    lines += static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) - 1;
  }
  return lines;
}

bool lives(int pid) {
  const auto stat = read_file(fmt::format("/proc/{}/stat", pid));
  return stat.has_value() && stat->find(") Z ") == std::string::npos;
}

std::int64_t number(const Json& json, const char* key) { return json.at(key).get<std::int64_t>(); }

void flood_and_stop(const Params& given) {
  Pair pair;
  REQUIRE(flood().why_unavailable(pair.sender(given)).value_or("available") == "available");
  REQUIRE(pair.in_far([&] { return flood().why_unavailable(pair.receiver(given)); }).value_or("available") ==
          "available");
  const std::string asked = given.text("mechanism");
  auto receiver = pair.in_far([&] { return ok(flood().prepare(pair.receiver(given))).fault; });
  auto sender = ok(flood().prepare(pair.sender(given))).fault;
  const auto far = [&](auto call) { return pair.in_far([&] { return call(*receiver); }); };
  const auto far_counters = [&] { return far([](Fault& load) { return ok(load.counters()); }); };
  sleep_ms(100);
  const Json before = ok(sender->counters());
  const Json far_before = far_counters();
  REQUIRE(number(before, "sent_bytes_to_1") == 0);  // connected, and nothing sent yet
  REQUIRE_FALSE(ok(sender->read()).left);
  REQUIRE_FALSE(flood().acted(before, before));

  for (int round = 0; round < 2; ++round) {
    ok(far([](Fault& load) { return load.start(); }));
    ok(sender->start());
    const Json start = ok(sender->counters());
    const Json far_start = far_counters();
    sleep_ms(400);
    const Reading reading = ok(sender->read());
    INFO(reading.details.dump());
    REQUIRE(reading.holds);
    REQUIRE(reading.details.at("mechanism") == (asked == "auto" ? "offload" : asked));
    const Json now = ok(sender->counters());
    REQUIRE(flood().acted(start, now));
    REQUIRE(flood().acted(far_start, far_counters()));
    REQUIRE(number(now, "tx_bits_per_s") > 50'000'000);
    ok(sender->stop());
    ok(far([](Fault& load) { return load.stop(); }));
    REQUIRE_FALSE(ok(sender->read()).left);
    REQUIRE(sockets_here() == 0);
    REQUIRE(pair.in_far([] { return sockets_here(); }) == 0);
    const std::int64_t tx_bytes = number(ok(sender->counters()), "tx_bytes");
    sleep_ms(100);
    REQUIRE(number(ok(sender->counters()), "tx_bytes") - tx_bytes < 10'000);  // ARP, IPv6 housekeeping
    ok(sender->stop());
  }
  REQUIRE(flood().acted(far_before, far_counters()));
  sender.reset();
  receiver.reset();
  REQUIRE(::waitpid(-1, nullptr, WNOHANG) == -1);  // no child is left
}

Topology cluster(int nodes) {
  Topology topology;
  for (int i = 0; i < nodes; ++i)
    topology.nodes.push_back({.index = i,
                              .name = fmt::format("node{}", i),
                              .nics = {{.name = "eth0",
                                        .addresses = {"fe80::1/64", fmt::format("10.77.1.{}/24", i + 1)},
                                        .role = NicRole::data}}});
  return topology;
}

}  // namespace

TEST_CASE("ethernet_flood: TCP floods, is proved by both NICs' counters, and leaves neither process nor socket",
          "[alone]") {
  test::in_namespaces([] { flood_and_stop(params({{"protocol", "tcp"}})); });
}

TEST_CASE("ethernet_flood: TCP byte by byte", "[alone]") {
  test::in_namespaces([] { flood_and_stop(params({{"protocol", "tcp"}, {"mechanism", "plain"}, {"streams", 1}})); });
}

TEST_CASE("ethernet_flood: UDP with segmentation offload", "[alone]") {
  test::in_namespaces([] { flood_and_stop(params({{"protocol", "udp"}})); });
}

TEST_CASE("ethernet_flood: UDP packet by packet, larger than the MTU too", "[alone]") {
  test::in_namespaces([] { flood_and_stop(params({{"protocol", "udp"}, {"mechanism", "plain"}, {"streams", 1}})); });
  test::in_namespaces([] { flood_and_stop(params({{"protocol", "udp"}, {"packet", 9000}, {"streams", 1}})); });
}

TEST_CASE("ethernet_flood: a rate is kept", "[alone]") {
  for (const char* protocol : {"tcp", "udp"}) {
    test::in_namespaces([&] {
      constexpr std::int64_t kRate = 200'000'000;
      const Params given = params({{"protocol", protocol}, {"rate", kRate}});
      Pair pair;
      auto receiver = pair.in_far([&] { return ok(flood().prepare(pair.receiver(given))).fault; });
      auto sender = ok(flood().prepare(pair.sender(given))).fault;
      ok(pair.in_far([&] { return receiver->start(); }));
      ok(sender->start());
      sleep_ms(200);
      const Json before = ok(sender->counters());
      sleep_ms(700);
      const Json after = ok(sender->counters());
      const auto seconds = static_cast<double>(number(after, "in_force_ns") - number(before, "in_force_ns")) / 1e9;
      const double rate =
          8.0 * static_cast<double>(number(after, "sent_bytes_to_1") - number(before, "sent_bytes_to_1")) / seconds;
      INFO(protocol << ": " << rate / 1e6 << " Mbit/s");
      REQUIRE(std::abs(rate / static_cast<double>(kRate) - 1) < 0.1);  // 2 % on a quiet machine: see the benchmark
    });
  }
}

TEST_CASE("ethernet_flood: a sender whose receiver is not there has not acted, and sends as soon as it is") {
  test::in_namespaces([] {
    const Params given = params();
    Pair pair;
    auto sender = ok(flood().prepare(pair.sender(given))).fault;
    ok(sender->start());
    const Json before = ok(sender->counters());
    sleep_ms(100);
    REQUIRE_FALSE(flood().acted(before, ok(sender->counters())));
    for (int round = 0; round < 2; ++round) {  // and again when the receiver was lost
      auto receiver = pair.in_far([&] { return ok(flood().prepare(pair.receiver(given))).fault; });
      ok(pair.in_far([&] { return receiver->start(); }));
      const Json start = ok(sender->counters());
      sleep_ms(400);
      REQUIRE(flood().acted(start, ok(sender->counters())));
    }
  });
}

TEST_CASE("ethernet_flood: its workers die with the process that made them") {
  test::in_namespaces([] {
    const Params given = params({{"protocol", "udp"}});
    Pair pair;
    int channel[2];
    REQUIRE(::pipe(channel) == 0);
    const pid_t agent = ::fork();
    if (agent == 0) {
      auto sender = ok(flood().prepare(pair.sender(given))).fault;
      ok(sender->start());
      const std::string pids = ok(sender->read()).details.at("pids").dump();
      static_cast<void>(write_all(channel[1], pids + "\n"));
      ::pause();
      ::_exit(0);
    }
    char text[256]{};
    REQUIRE(::read(channel[0], text, sizeof text - 1) > 0);
    const Json pids = Json::parse(text);
    REQUIRE(pids.size() == 2);
    for (const Json& pid : pids) REQUIRE(lives(pid.get<int>()));
    ::kill(agent, SIGKILL);
    REQUIRE(::waitpid(agent, nullptr, 0) == agent);
    const std::int64_t deadline_ns = monotonic_ns() + 2 * kNsPerS;
    for (const Json& pid : pids)
      while (lives(pid.get<int>())) {
        REQUIRE(monotonic_ns() < deadline_ns);
        sleep_ms(5);
      }
    REQUIRE(sockets_here() == 0);
  });
}

TEST_CASE("ethernet_flood: what is missing is said before anything starts") {
  test::in_namespaces([] {
    Pair pair;
    const auto reason = [](const Target& target) { return flood().why_unavailable(target).value_or("available"); };
    Target target = pair.sender(params());
    target.device = "eth9";
    REQUIRE_THAT(reason(target), Catch::Contains("eth9") && Catch::Contains("eth0"));
    target = pair.sender(params());
    target.resolved["send"][0]["source"] = "10.99.9.9";
    REQUIRE_THAT(reason(target), Catch::Contains("10.99.9.9"));
    target.resolved["send"][0]["source"] = "not an address";
    REQUIRE_THAT(reason(target), Catch::Contains("not an IP address"));
    const Target receiver = pair.receiver(params());
    const auto first = pair.in_far([&] { return ok(flood().prepare(receiver)).fault; });
    REQUIRE_THAT(pair.in_far([&] { return reason(receiver); }), Catch::Contains("port 20000"));
    REQUIRE_FALSE(pair.in_far([&] { return flood().prepare(receiver).has_value(); }));
    ok(pair.nodes.node.set_down(pair.nodes.eth0));
    REQUIRE_THAT(reason(pair.sender(params())), Catch::Contains("eth0 is down"));
  });
}

TEST_CASE("ethernet_flood: who sends to whom is settled in the plan") {
  const Topology four = cluster(4);
  using Nodes = std::vector<int>;
  REQUIRE(ok(flood().nodes(four, {2}, params())) == Nodes{0, 1, 2, 3});
  REQUIRE(ok(flood().nodes(four, {2}, params({{"to", "0"}}))) == Nodes{0, 2});

  const auto role = [](const Topology& topology, const std::vector<int>& on, int node, const Params& given) {
    const auto at = static_cast<std::size_t>(node);
    return ok(flood().resolved_on(topology, node, ok(flood().resolve(topology, on, topology.nodes[at], given))));
  };
  const Params incast = params({{"to", "3"}});
  const Json sink = role(four, {0, 1, 2}, 3, incast);
  REQUIRE(sink["send"].empty());
  REQUIRE(sink["listen"].size() == 3);
  const Json source = role(four, {0, 1, 2}, 1, incast);
  REQUIRE(source["send"].size() == 1);
  REQUIRE(source["send"][0] == sink["listen"][1]);
  REQUIRE(source["send"][0]["source"] == "10.77.1.2");
  REQUIRE(source["send"][0]["destination"] == "10.77.1.4");
  REQUIRE(number(sink["listen"][1], "port") == number(sink["listen"][0], "port") + 2);  // two streams

  const Json all = role(four, {0, 1, 2, 3}, 0, params({{"to", "all"}}));
  REQUIRE(all["send"].size() == 3);
  REQUIRE(all["listen"].size() == 3);

  // What the plan says of a node does not grow with the nodes, and a node's part no faster than they do.
  const Topology many = cluster(500);
  std::vector<int> everybody;
  for (const Node& node : many.nodes) everybody.push_back(node.index);
  const Params to_all = params({{"to", "all"}});
  REQUIRE(ok(flood().resolve(many, everybody, many.nodes[7], to_all)).dump().size() < 150);
  REQUIRE(role(many, everybody, 7, to_all)["send"].size() == 499);
  REQUIRE(flood().nodes(many, everybody, to_all)->size() == 500);
  Json broken = ok(flood().resolve(many, everybody, many.nodes[7], to_all));
  broken["rule"]["receivers"][0][1] = 500;
  REQUIRE_THAT(flood().resolved_on(many, 7, broken).error().message, Catch::Contains("500 nodes"));

  REQUIRE_THAT(flood().nodes(four, {0, 1, 2, 3}, params()).error().message, Catch::Contains("to = \"all\""));
  REQUIRE_THAT(flood().nodes(four, {1}, params({{"to", "1"}})).error().message, Catch::Contains("nobody to send to"));
  REQUIRE_THAT(flood().nodes(four, {1}, params({{"to", "7"}})).error().message, Catch::Contains("nodes 0 to 3"));
  REQUIRE_FALSE(flood().nodes(four, {1}, params({{"to", "1,x"}})).has_value());
  Topology bare = four;
  bare.nodes[2].nics[0].addresses = {"fe80::2/64"};
  REQUIRE_THAT(flood().nodes(bare, {1}, params()).error().message, Catch::Contains("no addresses of the same family"));
}
