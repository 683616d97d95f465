#include "harness/health/checks/link_settings.hpp"
#include "tests/two_nodes.hpp"
#include "tests/unit/health/check_reading.hpp"

using namespace grit;
using grit::test::ok;

namespace {

constexpr std::int64_t kTenGigabit = 10'000'000'000;  // what a veth tells, whatever it does

test::CheckUnderTest check_of(Nic nic, Json given = Json::object()) {
  test::CheckUnderTest check("link_settings", std::move(given));
  nic.role = NicRole::data;
  check.node.nics = {std::move(nic)};
  return check;
}

}  // namespace

TEST_CASE("link_settings: another MTU than before the run, or than the one that is wanted") {
  test::in_namespaces([] {
    test::without_dad();
    test::TwoNodes nodes;
    auto check = check_of({.name = "eth0", .driver = "veth", .speed_bits_per_s = kTenGigabit, .mtu_bytes = 1500});
    const Outcome well = check.read_of("eth0");
    REQUIRE(well.severity == Severity::ok);
    REQUIRE(well.detail == "MTU 1500, 10Gbit/s");
    REQUIRE(well.value == 1500);
    ok(nodes.node.set_mtu(nodes.eth0, 1499));
    const Outcome smaller = check.read_of("eth0");
    REQUIRE(smaller.severity == Severity::critical);
    test::proves("link_settings", smaller);
    REQUIRE(smaller.detail == "MTU 1499, was 1500");
    ok(nodes.node.set_mtu(nodes.eth0, 9000));
    REQUIRE(check.read_of("eth0").severity == Severity::critical);
    auto wanted = check_of({.name = "eth0", .mtu_bytes = 1500}, {{"mtu", 9000}});
    REQUIRE(wanted.read_of("eth0").severity == Severity::ok);
    ok(nodes.node.set_mtu(nodes.eth0, 1500));
    REQUIRE(wanted.read_of("eth0").detail == "MTU 1500, should be 9000");
    REQUIRE(check.read_of("eth0").severity == Severity::ok);
  });
}

TEST_CASE("link_settings: a lower speed is critical, a higher one a warning, and no carrier is not its business") {
  test::in_namespaces([] {
    test::without_dad();
    test::TwoNodes nodes;
    const Outcome slower = check_of({.name = "eth0", .speed_bits_per_s = 4 * kTenGigabit}).read_of("eth0");
    REQUIRE(slower.severity == Severity::critical);
    REQUIRE(slower.detail == "10Gbit/s, was 40Gbit/s");
    REQUIRE(check_of({.name = "eth0", .speed_bits_per_s = kTenGigabit / 10}).read_of("eth0").severity ==
            Severity::warning);
    REQUIRE(check_of({.name = "eth0"}).read_of("eth0").severity == Severity::ok);
    REQUIRE(check_of({.name = "eth0"}, {{"speed", kTenGigabit}}).read_of("eth0").severity == Severity::ok);
    REQUIRE(check_of({.name = "eth0"}, {{"speed", 10 * kTenGigabit}}).read_of("eth0").detail ==
            "10Gbit/s, should be 100Gbit/s");
    ok(nodes.far.set_down(ok(nodes.far.link("port0")).ifindex));
    REQUIRE(
        check_of({.name = "eth0", .speed_bits_per_s = 4 * kTenGigabit, .mtu_bytes = 1500}).read_of("eth0").severity ==
        Severity::ok);
    REQUIRE(check_of({.name = "eth0", .mtu_bytes = 9000}).read_of("eth0").severity ==
            Severity::critical);  // an MTU needs none
  });
}

TEST_CASE("link_settings: another driver, a NIC that tells no speed, one that is gone, and none") {
  test::in_namespaces([] {
    test::without_dad();
    test::TwoNodes nodes;
    REQUIRE(check_of({.name = "eth0", .driver = "mlx5_core"}).read_of("eth0").detail == "driver veth, was mlx5_core");
    ok(nodes.node.remove_link(nodes.eth0));
    auto check = check_of({.name = "eth0"}, {{"speed", kTenGigabit}});
    REQUIRE(check.read_of("eth0").detail == "is gone");
    check.node.nics[0].name = "lo";
    REQUIRE(check.read_of("lo").severity == Severity::unknown);
    REQUIRE(check.read_of("lo").detail == "its driver tells no speed to hold against the limit");
    check.node.nics.clear();
    REQUIRE(check.read_one().not_here);
  });
}

TEST_CASE("link_settings: half duplex, a speed that is told no more, and no carrier") {
  const Params params(ok(complete_params(find_check("link_settings")->info.params, Json::object())));
  const Nic nic{.name = "eth0", .driver = "e1000e", .speed_bits_per_s = kTenGigabit, .mtu_bytes = 1500};
  LinkSettings now{1500, true, kTenGigabit, Duplex::half, "e1000e"};
  CheckMemory memory;
  const auto judge = [&] { return judge_link_settings(nic, now, params, memory); };
  REQUIRE(judge().severity == Severity::warning);
  now.duplex = Duplex::full;
  REQUIRE(judge().severity == Severity::ok);
  now.duplex = Duplex::half;
  REQUIRE(judge().severity == Severity::critical);
  REQUIRE(judge().detail == "half duplex, was full");
  now.duplex.reset(), now.speed_bits_per_s = 0, now.driver.clear();
  REQUIRE(judge().severity == Severity::ok);
  REQUIRE(judge().detail == "tells no speed any more");
  now = {.mtu_bytes = 1500, .has_carrier = false, .duplex = Duplex::half};
  REQUIRE(judge().detail == "MTU 1500");
}
