// link_delay against a real kernel that has netem; elsewhere it must say that there is none.
#include <cmath>
#include <numeric>

#include "harness/os/tc.hpp"
#include "injectors/faults.hpp"
#include "tests/faults/netem_support.hpp"

using namespace grit;
using grit::test::ok;

namespace {

Target target(Json params = Json::object()) {
  return {"eth0", Params(ok(complete_params(link_delay().info().params, std::move(params))))};
}

}  // namespace

TEST_CASE("link_delay: the tables of the distributions have mean 0 and standard deviation 1, and are in order") {
  REQUIRE(netem_distribution("uniform").empty());
  for (const std::string name : {"normal", "pareto"}) {
    const auto table = netem_distribution(name);
    REQUIRE(table.size() == 4096);
    REQUIRE(std::is_sorted(table.begin(), table.end()));
    const double mean = std::accumulate(table.begin(), table.end(), 0.0) / 4096 / 8192;
    double square = 0;
    for (const double one : table) square += one * one / 8192 / 8192 / 4096;
    INFO(name << ": mean " << mean << ", standard deviation " << std::sqrt(square));
    // The table's numbers end at 4 deviations, where the tail of a Pareto distribution does not.
    REQUIRE(std::abs(mean) < (name == "normal" ? 0.001 : 0.03));
    REQUIRE(std::abs(std::sqrt(square) - 1) < (name == "normal" ? 0.01 : 0.3));
  }
  const auto normal = netem_distribution("normal");
  REQUIRE(std::abs(normal[3445] / 8192.0 - 1) < 0.01);  // 84.13 % lie under one standard deviation
}

TEST_CASE("link_delay: without netem it says so") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    const auto why = link_delay().why_unavailable(target());
    if (test::has_qdisc("netem delay 1ms")) {
      REQUIRE_FALSE(why.has_value());
      return;
    }
    REQUIRE(why.has_value());
    REQUIRE_THAT(*why, Catch::Contains("this kernel has no sch_netem") && Catch::Contains("modprobe"));
    const std::string before = test::tc_text("eth0");
    const Prepared made = ok(link_delay().prepare(target()));
    REQUIRE_FALSE(made.fault->start().has_value());
    ok(link_delay().revert(made.undo));
    REQUIRE(test::tc_text("eth0") == before);
  });
}

TEST_CASE("link_delay: packets come so much later, the kernel shows what was asked for, and all is as it was") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    if (test::skip_without_netem()) return;
    const test::Datagrams datagrams(nodes);
    const std::string tree = test::tc_text("eth0");
    const Target on = target({{"delay", 60 * kNsPerMs}, {"jitter", 5 * kNsPerMs}, {"correlation", 0.25}});
    const Prepared made = ok(link_delay().prepare(on));
    const Json before = ok(made.fault->counters());
    ok(made.fault->start());
    const Json options = ok(made.fault->read()).details["options"];
    REQUIRE(options["delay_ns"] == 60 * kNsPerMs);
    REQUIRE(options["jitter_ns"] == 5 * kNsPerMs);
    REQUIRE(std::abs(options["delay_correlation"].get<double>() - 0.25) < 1e-6);
    REQUIRE_THAT(test::tc_text("eth0"), Catch::Contains("delay 60ms  5ms 25%"));
    REQUIRE_FALSE(link_delay().acted(before, before));
    const std::int64_t sent_ns = monotonic_ns();
    datagrams.send(1);
    REQUIRE(datagrams.receive(2000).has_value());
    REQUIRE(monotonic_ns() - sent_ns >= 35 * kNsPerMs);  // five standard deviations; a busy machine is later still
    REQUIRE(link_delay().acted(before, ok(made.fault->counters())));
    ok(link_delay().revert(made.undo));
    REQUIRE(test::tc_text("eth0") == tree);
    ok(link_delay().revert(made.undo));
    REQUIRE(test::tc_text("eth0") == tree);
  });
}

TEST_CASE("link_delay: a share of the packets is sent before others") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    if (test::skip_without_netem()) return;
    const test::Datagrams datagrams(nodes);
    const Target on = target({{"delay", 100 * kNsPerMs}, {"reorder", 0.5}});
    const Prepared made = ok(link_delay().prepare(on));
    ok(made.fault->start());
    for (std::uint32_t i = 1; i <= 40; ++i) datagrams.send(i);
    std::vector<std::uint32_t> got;
    while (const auto number = datagrams.receive(1000)) got.push_back(*number);
    REQUIRE(got.size() == 40);
    REQUIRE_FALSE(std::is_sorted(got.begin(), got.end()));
    ok(link_delay().revert(made.undo));
  });
}
