// link_rate against a real kernel: what was on the NIC comes back exactly, as tc(8) sees it too; the rate is kept.
#include <arpa/inet.h>

#include "injectors/faults.hpp"
#include "tests/tc_text.hpp"
#include "tests/two_nodes.hpp"

using namespace grit;
using grit::test::ok;

namespace {

Target target(Json params = Json::object()) {
  return {"eth0", Params(ok(complete_params(link_rate().info().params, std::move(params))))};
}

std::string reason(const Target& on) {
  const auto why = link_rate().why_unavailable(on);
  return why ? *why : "available";
}

/// An htb with two classes, a qdisc under each, and u32 filters; and an ingress hook, which is none of our business.
void make_htb() {
  using test::tc;
  tc("qdisc add dev eth0 root handle 1: htb default 20 r2q 7");
  tc("class add dev eth0 parent 1: classid 1:1 htb rate 6gbit ceil 6gbit");
  tc("class add dev eth0 parent 1:1 classid 1:10 htb rate 80mbit ceil 5gbit burst 30k prio 1");
  tc("class add dev eth0 parent 1:1 classid 1:20 htb rate 20mbit ceil 50mbit quantum 3000");
  tc("qdisc add dev eth0 parent 1:10 handle 10: pfifo limit 77");
  tc("qdisc add dev eth0 parent 1:20 handle 20: tbf rate 9mbit burst 20kb latency 30ms");
  tc("filter add dev eth0 parent 1: protocol ip prio 5 u32 match ip dport 9 0xffff match ip dst 10.77.1.9/32 flowid "
     "1:10");
  tc("filter add dev eth0 parent 1: protocol ip prio 5 u32 match ip tos 0x10 0xff flowid 1:20");
  tc("filter add dev eth0 parent 1: protocol ipv6 prio 6 u32 match ip6 dst fd77::/64 classid 1:10");
  tc("qdisc add dev eth0 clsact");
}

void send_packets(int count) {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(9);
  ::inet_pton(AF_INET, "10.77.1.9", &to.sin_addr);
  const std::string payload(1000, 'x');
  for (int i = 0; i < count; ++i)
    ::sendto(socket.get(), payload.data(), payload.size(), MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&to), sizeof to);
}

/// Inject, prove, revert twice; tc(8) must show the same as before.
void comes_back_exactly() {
  const std::string before = test::tc_text("eth0");
  INFO("before: " << before);
  REQUIRE(reason(target()) == "available");
  const Prepared made = ok(link_rate().prepare(target()));
  ok(link_rate().check_undo(made.undo));
  REQUIRE(test::tc_text("eth0") == before);
  for (int i = 0; i < 2; ++i) {
    ok(made.fault->start());
    REQUIRE(ok(made.fault->read()).holds);
    REQUIRE(test::tc_text("eth0") != before);
    send_packets(3);
    ok(link_rate().revert(made.undo));
    REQUIRE_FALSE(ok(made.fault->read()).left);
    REQUIRE(test::tc_text("eth0") == before);
    ok(link_rate().revert(made.undo));
    REQUIRE(test::tc_text("eth0") == before);
  }
}

}  // namespace

TEST_CASE("link_rate: htb with classes, qdiscs and u32 filters comes back exactly") {
  test::in_namespaces([] {
    test::without_dad();
    test::TwoNodes nodes;
    make_htb();
    comes_back_exactly();
  });
}

TEST_CASE(
    "link_rate: in a sham block the root is replaced by one that limits nothing, and that does not count as acting") {
  test::in_namespaces([] {
    test::without_dad();
    test::TwoNodes nodes;
    make_htb();
    const std::string tree = test::tc_text("eth0");
    const Target on = target({{"rate", 8000}});  // a thousand bytes a second
    const Prepared made = ok(link_rate().prepare(on));
    const Json before = ok(made.fault->counters());
    for (const bool by_record : {false, true}) {
      REQUIRE(ok(made.fault->start_null()));
      const Reading during = ok(made.fault->read());
      REQUIRE(during.left);
      REQUIRE_FALSE(during.holds);
      REQUIRE_THAT(test::tc_text("eth0"), Catch::Contains("qdisc tbf 6775: root") && Catch::Contains("rate 1Tbit"));
      const std::int64_t sent_before = ok(nodes.node.link("eth0")).traffic.tx_packets;
      send_packets(20);  // would take twenty seconds at the rate
      REQUIRE(ok(nodes.node.link("eth0")).traffic.tx_packets - sent_before >= 20);
      REQUIRE_FALSE(link_rate().acted(before, ok(made.fault->counters())));
      if (by_record)
        ok(link_rate().revert(made.undo));
      else
        ok(made.fault->stop());
      REQUIRE(test::tc_text("eth0") == tree);
    }
  });
}

TEST_CASE("link_rate: a tree of which part is back already is completed") {
  test::in_namespaces([] {
    test::without_dad();
    test::TwoNodes nodes;
    make_htb();
    const std::string before = test::tc_text("eth0");
    const Prepared made = ok(link_rate().prepare(target()));
    ok(made.fault->start());
    ok(link_rate().revert(made.undo));
    test::tc("filter del dev eth0 parent 1: protocol ip prio 5 u32");
    test::tc("filter del dev eth0 parent 1: protocol ipv6 prio 6 u32");
    test::tc("qdisc del dev eth0 parent 1:10 handle 10:");
    test::tc("class del dev eth0 classid 1:10");
    REQUIRE(test::tc_text("eth0") != before);
    ok(link_rate().revert(made.undo));
    REQUIRE(test::tc_text("eth0") == before);
    test::tc("qdisc del dev eth0 root");  // cut off before the first of it was back
    ok(link_rate().revert(made.undo));
    REQUIRE(test::tc_text("eth0") == before);
  });
}

TEST_CASE("link_rate: fifos, prio, tbf and the kernel's default come back exactly") {
  for (const std::string options : {"", "pfifo limit 123", "bfifo limit 45678", "pfifo_fast",
                                    "tbf rate 12345kbit burst 9999 latency 17ms", "prio bands 4"}) {
    test::in_namespaces([&] {
      test::without_dad();
      test::TwoNodes nodes;
      if (!options.empty() && !test::has_qdisc(options)) return;
      if (!options.empty()) test::tc("qdisc add dev eth0 root handle 1: " + options);
      comes_back_exactly();
    });
  }
}

TEST_CASE("link_rate: fq_codel comes back exactly, though the kernel rounds its times each time") {
  test::in_namespaces([] {
    test::without_dad();
    test::TwoNodes nodes;
    if (!test::has_qdisc("fq_codel")) {
      test::skip("this kernel has no fq_codel");
      return;
    }
    test::tc("qdisc add dev eth0 root handle 1: fq_codel limit 999 target 4321us interval 87654us ce_threshold 1234us");
    comes_back_exactly();
  });
}

TEST_CASE("link_rate: the rate is kept, and packets that wait or find no room show that it acts") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    const Target on = target({{"rate", 8'000'000}, {"burst", 4000}, {"latency", 20 * kNsPerMs}});
    const Prepared made = ok(link_rate().prepare(on));
    const Json before = ok(made.fault->counters());
    ok(made.fault->start());
    const Json options = ok(made.fault->read()).details["options"];
    REQUIRE(options["rate_bits_per_s"] == 8'000'000);
    REQUIRE(options["limit_bytes"] == 20'000 + 4000);
    REQUIRE_FALSE(link_rate().acted(before, before));
    const std::int64_t sent_before = ok(nodes.node.link("eth0")).traffic.tx_bytes;
    const std::int64_t from_ns = monotonic_ns();
    while (monotonic_ns() - from_ns < kNsPerS / 2) {
      send_packets(20);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    const double elapsed_s = static_cast<double>(monotonic_ns() - from_ns) / kNsPerS;
    const auto sent_bytes = static_cast<double>(ok(nodes.node.link("eth0")).traffic.tx_bytes - sent_before);
    INFO("sent " << sent_bytes << " bytes in " << elapsed_s << " s");
    REQUIRE(sent_bytes <= 1e6 * elapsed_s + 4000 + 1100);
    REQUIRE(sent_bytes >= 0.5e6 * elapsed_s);  // a busy machine may not always have something to send
    const Json after = ok(made.fault->counters());
    REQUIRE(link_rate().acted(before, after));
    REQUIRE(after["drops"] > 0);
    ok(link_rate().revert(made.undo));
  });
}

TEST_CASE("link_rate: what could not be put back exactly is refused, with what it is") {
  const auto refused = [](const std::string& make, const std::string& words, const std::string& root = "htb") {
    test::in_namespaces([&] {
      test::without_dad();
      test::TwoNodes nodes;
      test::tc("qdisc add dev eth0 root handle 1: " + root);
      if (!make.empty()) test::tc(make);
      INFO(make);
      REQUIRE_THAT(reason(target()), Catch::Contains(words) && Catch::Contains("name another NIC"));
      REQUIRE(link_rate().prepare(target()).error().kind == ErrorKind::unavailable);
    });
  };
  refused("filter add dev eth0 parent 1: prio 1 protocol ip u32 match u32 0 0 action mirred egress redirect dev lo",
          "an action on filter u32");
  refused("filter add dev eth0 parent 1: prio 1 handle 5: protocol ip u32 divisor 16", "hash table");
  refused("filter add dev eth0 parent 1: prio 1 protocol ip bpf bytecode '1,6 0 0 0' flowid 1:1", "of kind bpf");
  refused("filter add dev eth0 parent 1: chain 7 protocol ip u32 match u32 0 0 flowid 1:1", "chain");
  refused("", "size table", "stab overhead 24 linklayer atm tsize 512 htb");
}

TEST_CASE("link_rate: another's qdisc, a link that is down or gone, no privilege, a foreign record") {
  test::in_namespaces([] {
    test::without_dad();
    test::TwoNodes nodes;
    const Prepared made = ok(link_rate().prepare(target()));
    ok(made.fault->start());
    REQUIRE_THAT(reason(target()), Catch::Contains("grit revert"));
    test::tc("qdisc replace dev eth0 root handle 5: pfifo limit 5");  // somebody else's, while it is in force
    const std::string theirs = test::tc_text("eth0");
    REQUIRE_FALSE(ok(made.fault->read()).left);
    ok(link_rate().revert(made.undo));
    REQUIRE(test::tc_text("eth0") == theirs);
    REQUIRE_THAT(made.fault->start().error().message, Catch::Contains("pfifo 5:"));

    Json bad = made.undo;
    bad["before"]["qdiscs"][0]["handle"] = 0x10000;
    bad["before"]["qdiscs"][0]["kind"] = "netem";
    REQUIRE_FALSE(link_rate().check_undo(bad).has_value());
    REQUIRE_FALSE(link_rate().revert(bad).has_value());
    bad["before"]["qdiscs"][0]["kind"] = "htb";
    bad["before"]["qdiscs"][0]["options"] = "ff";
    REQUIRE_FALSE(link_rate().check_undo(bad).has_value());
    bad["before"]["qdiscs"] = Json::array();
    REQUIRE_FALSE(link_rate().check_undo(bad).has_value());

    ok(nodes.node.set_down(nodes.eth0));
    REQUIRE_THAT(reason(target()), Catch::Contains("is down"));
    ok(nodes.node.remove_link(nodes.eth0));
    REQUIRE_FALSE(made.fault->start().has_value());
    ok(link_rate().revert(made.undo));
  });
  test::in_namespaces([] {
    test::without_dad();
    test::TwoNodes nodes;
    test::drop_capabilities();
    REQUIRE_THAT(reason(target()), Catch::Contains("CAP_NET_ADMIN"));
  });
}
