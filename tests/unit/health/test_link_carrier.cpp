#include "tests/two_nodes.hpp"
#include "tests/unit/health/check_reading.hpp"

using namespace grit;
using grit::test::ok;

namespace {

constexpr std::int64_t kHalf_ns = kNsPerS / 2;

/// A node and its switch; takes the far end of the cable away and puts it back.
struct Cable {
  Cable() : port0(ok(nodes.far.link("port0")).ifindex) {}

  test::TwoNodes nodes{};
  int port0;

  void pull() { ok(nodes.far.set_down(port0)); }
  void plug() {
    ok(nodes.far.set_up(port0));
    test::wait_until_up(nodes.node, "eth0");
  }
};

test::CheckUnderTest check_of_eth0(Json given = Json::object()) {
  test::CheckUnderTest check("link_carrier", std::move(given));
  check.node.nics = {{.name = "eth0", .up = true, .role = NicRole::data}};
  return check;
}

}  // namespace

TEST_CASE("link_carrier: a flap alarms at once, and is forgotten after its time") {
  test::in_namespaces([] {
    test::without_dad();
    Cable cable;
    auto check = check_of_eth0();
    const Outcome first = check.read_of("eth0");
    REQUIRE(first.severity == Severity::ok);
    REQUIRE(first.detail == "has a carrier");
    REQUIRE(check.read_of("eth0", kHalf_ns).severity == Severity::ok);
    cable.pull();
    cable.plug();
    const Outcome flap = check.read_of("eth0", kHalf_ns);  // both ends of it between two readings
    REQUIRE(flap.severity == Severity::warning);
    test::proves("link_carrier", flap);
    REQUIRE(flap.detail == "has a carrier; was without it 1 time, for 0.0 to 0.5 s altogether");
    REQUIRE(flap.value == 0);
    REQUIRE(check.read_of("eth0", kHalf_ns).severity == Severity::warning);
    REQUIRE(check.read_of("eth0", 615 * kNsPerS).severity == Severity::ok);
  });
}

TEST_CASE("link_carrier: the time without a carrier is summed over outages, and only what is sure is judged") {
  test::in_namespaces([] {
    test::without_dad();
    Cable cable;
    auto check = check_of_eth0();
    check.read();
    cable.pull();
    REQUIRE(check.read_of("eth0", kHalf_ns).value == 0);
    for (int i = 1; i <= 8; ++i) REQUIRE(check.read_of("eth0", kHalf_ns).value == i * 0.5);
    cable.plug();
    const Outcome back = check.read_of("eth0", kHalf_ns);
    REQUIRE(back.severity == Severity::warning);
    REQUIRE(back.detail == "has a carrier; was without it 1 time, for 4.0 to 5.0 s altogether");
    cable.pull();
    check.read_of("eth0", kHalf_ns);
    for (int i = 0; i < 5; ++i) REQUIRE(check.read_of("eth0", kHalf_ns).severity == Severity::warning);
    const Outcome seven = check.read_of("eth0", kHalf_ns);
    REQUIRE(seven.severity == Severity::critical);
    REQUIRE(seven.detail == "has no carrier; was without it 2 times, for 7.0 to 8.5 s altogether");
    cable.plug();
    cable.pull();  // unseen: it may have been there for nearly all of the half second
    REQUIRE(check.read_of("eth0", kHalf_ns).value == 7);
  });
}

TEST_CASE("link_carrier: one that only knows outages of 30 s is blind to shorter ones, however many") {
  test::in_namespaces([] {
    test::without_dad();
    Cable cable;
    auto check = check_of_eth0(
        {{"per_outage", true}, {"flaps_warning", 0}, {"down_warning", 0}, {"down_critical", 30 * kNsPerS}});
    check.read();
    for (int i = 0; i < 3; ++i) {
      cable.pull();
      check.read();
      REQUIRE(check.read_of("eth0", 29 * kNsPerS).severity == Severity::ok);
      cable.plug();
      REQUIRE(check.read_of("eth0").severity == Severity::ok);
    }
    cable.pull();
    check.read();
    REQUIRE(check.read_of("eth0", 29 * kNsPerS).value == 29);
    REQUIRE(check.read_of("eth0").severity == Severity::critical);
    cable.plug();
    REQUIRE(check.read_of("eth0").severity == Severity::critical);  // it has just ended
    REQUIRE(check.read_of("eth0").severity == Severity::ok);
  });
}

TEST_CASE("link_carrier: a link that is down at the first reading, set down, made anew or gone") {
  test::in_namespaces([] {
    test::without_dad();
    Cable cable;
    cable.pull();
    auto check = check_of_eth0();
    REQUIRE(check.read_of("eth0").severity == Severity::warning);
    cable.plug();
    check.memory.clear();
    REQUIRE(check.read_of("eth0").severity == Severity::ok);
    ok(cable.nodes.node.set_down(cable.nodes.eth0));
    const Outcome down = check.read_of("eth0");
    REQUIRE(down.severity == Severity::warning);
    REQUIRE(down.detail.starts_with("is down"));
    check.memory.clear();
    ok(cable.nodes.node.set_up(cable.nodes.eth0));
    test::wait_until_up(cable.nodes.node, "eth0");
    REQUIRE(check.read_of("eth0").severity == Severity::ok);
    ok(cable.nodes.node.remove_link(cable.nodes.eth0));
    REQUIRE(check.read_of("eth0").severity == Severity::critical);
    ok(cable.nodes.node.create_veth({.name = "eth0"}, {.name = "port1"}));
    for (const char* name : {"eth0", "port1"}) ok(cable.nodes.node.set_up(ok(cable.nodes.node.link(name)).ifindex));
    test::wait_until_up(cable.nodes.node, "eth0");
    const Outcome anew = check.read_of("eth0");
    REQUIRE(anew.severity == Severity::warning);
    REQUIRE(anew.detail.find("1 time,") != std::string::npos);
    REQUIRE(check.read_of("eth0").detail.find("1 time,") != std::string::npos);
  });
}

TEST_CASE("link_carrier: looks at what a NIC stands on, where that was up") {
  test::in_namespaces([] {
    test::without_dad();
    Cable cable;
    auto check = check_of_eth0();
    check.node.nics = {{.name = "bond0", .role = NicRole::data, .lower = {"eth0", "eth1"}},
                       {.name = "eth0", .up = true},
                       {.name = "eth1", .up = false}};
    const auto outcomes = check.read();
    REQUIRE(outcomes.size() == 2);
    REQUIRE(outcomes[0].subject == "bond0");
    REQUIRE(outcomes[1].subject == "eth0");
    check.node.nics.clear();
    REQUIRE(check.read_one().not_here);
  });
}
