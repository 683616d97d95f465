// link_loss against a real kernel: by nftables, and by netem where the kernel has it.
#include <cmath>

#include "injectors/faults.hpp"
#include "tests/faults/netem_support.hpp"

using namespace grit;
using grit::test::ok;

namespace {

Target target(Json params = Json::object()) {
  return {"eth0", Params(ok(complete_params(link_loss().info().params, std::move(params))))};
}

/// Sends `count` datagrams, and says which did not come.
std::vector<bool> lost(const test::Datagrams& datagrams, std::uint32_t count) {
  std::vector<bool> missing(count, true);
  for (std::uint32_t i = 0; i < count; ++i) {
    datagrams.send(i);
    while (const auto number = datagrams.receive(0)) missing[*number] = false;
  }
  while (const auto number = datagrams.receive(200)) missing[*number] = false;
  return missing;
}

}  // namespace

TEST_CASE("link_loss by nftables: the share is lost and counted, and nothing is left") {
  test::in_namespaces([] {
    test::without_dad();
    test::TwoNodes nodes;
    const test::Datagrams datagrams(nodes);
    const Target on = target({{"loss", 0.3}, {"mechanism", "nftables"}});
    if (const auto why = link_loss().why_unavailable(on)) {
      test::skip(*why);
      return;
    }
    const Prepared made = ok(link_loss().prepare(on));
    REQUIRE(made.undo.is_null());  // the kernel ends it with us
    const auto& load = made.fault;
    const Json before = ok(load->counters());
    ok(load->start());
    REQUIRE(ok(load->read()).holds);
    const auto missing = lost(datagrams, 2000);
    const auto gone = std::count(missing.begin(), missing.end(), true);
    INFO(gone << " of 2000 lost");
    REQUIRE(std::abs(static_cast<double>(gone) / 2000 - 0.3) < 0.05);  // five standard deviations
    REQUIRE(link_loss().acted(before, ok(load->counters())));
    ok(load->stop());
    REQUIRE_FALSE(ok(load->read()).left);
    const auto none = lost(datagrams, 200);
    REQUIRE(std::count(none.begin(), none.end(), true) == 0);
  });
}

TEST_CASE("link_loss: the first mechanism that works here is chosen, what neither can is refused") {
  test::in_namespaces([] {
    test::without_dad();
    test::TwoNodes nodes;
    const bool netem = test::has_qdisc("netem delay 1ms");
    if (!link_loss().why_unavailable(target()))
      REQUIRE(ok(link_loss().prepare(target())).undo.is_null() == !netem);  // nftables leaves nothing to undo
    if (!netem) {
      const auto why = link_loss().why_unavailable(target({{"burst", 5}}));
      REQUIRE(why.has_value());
      REQUIRE_THAT(*why, Catch::Contains("this kernel has no sch_netem"));
    }
  });
  Node node;
  node.nics = {{.name = "eth0", .role = NicRole::data}};
  const auto refused = [&](Json params) { return !link_loss().resolve_device(node, target(std::move(params)).params); };
  REQUIRE_FALSE(refused(Json::object()));
  REQUIRE(refused({{"burst", 3}, {"direction", "in"}}));
  REQUIRE(refused({{"burst", 3}, {"mechanism", "nftables"}}));
  REQUIRE(refused({{"direction", "both"}, {"mechanism", "netem"}}));
  REQUIRE(link_loss().mechanism(node, target().params) == "netem, else nftables");
  REQUIRE(link_loss().mechanism(node, target({{"direction", "both"}}).params) == "nftables");
  REQUIRE(link_loss().mechanism(node, target({{"burst", 2}}).params) == "netem");
}

TEST_CASE("link_loss by netem: the share is lost and counted, and all is as it was") {
  test::in_namespaces([] {
    test::without_dad();
    test::TwoNodes nodes;
    if (test::skip_without_netem()) return;
    const test::Datagrams datagrams(nodes);
    const std::string tree = test::tc_text("eth0");
    const Target on = target({{"loss", 0.3}, {"mechanism", "netem"}});
    const Prepared made = ok(link_loss().prepare(on));
    REQUIRE_FALSE(made.undo.is_null());
    const Json before = ok(made.fault->counters());
    ok(made.fault->start());
    REQUIRE_THAT(test::tc_text("eth0"), Catch::Contains("loss 30%"));
    const auto missing = lost(datagrams, 1000);
    const auto gone = std::count(missing.begin(), missing.end(), true);
    INFO(gone << " of 1000 lost");
    REQUIRE(std::abs(static_cast<double>(gone) / 1000 - 0.3) < 0.075);
    const Json after = ok(made.fault->counters());
    REQUIRE(link_loss().acted(before, after));
    REQUIRE(after["drops"] >= gone);
    ok(link_loss().revert(made.undo));
    REQUIRE(test::tc_text("eth0") == tree);
  });
}

TEST_CASE("link_loss by netem: bursts of the length and share that were asked for") {
  test::in_namespaces([] {
    test::without_dad();
    test::TwoNodes nodes;
    if (test::skip_without_netem()) return;
    const test::Datagrams datagrams(nodes);
    const Target on = target({{"loss", 0.2}, {"burst", 8}});
    const Prepared made = ok(link_loss().prepare(on));
    ok(made.fault->start());
    const Json model = ok(made.fault->read()).details["options"]["gemodel"];
    REQUIRE(std::abs(model["to_good"].get<double>() - 1.0 / 8) < 1e-6);
    REQUIRE(std::abs(model["to_bad"].get<double>() - 0.25 / 8) < 1e-6);
    const auto missing = lost(datagrams, 4000);
    int gone = 0, bursts = 0;
    for (std::size_t i = 0; i < missing.size(); ++i) {
      gone += missing[i] ? 1 : 0;
      bursts += missing[i] && (i == 0 || !missing[i - 1]) ? 1 : 0;
    }
    const double share = gone / 4000.0, length = bursts == 0 ? 0 : static_cast<double>(gone) / bursts;
    INFO("share " << share << ", mean length " << length);  // about 100 bursts, each of geometric length
    REQUIRE((share > 0.08 && share < 0.35));
    REQUIRE((length > 4 && length < 14));
    ok(link_loss().revert(made.undo));
  });
}
