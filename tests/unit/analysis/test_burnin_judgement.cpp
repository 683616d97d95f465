// Whom the judgement of a burn-in suspects, clears and calls bad, and that it does not depend on what must not matter.
#include <algorithm>
#include <array>
#include <cmath>
#include <random>

#include "analysis/burnin/judgement.hpp"
#include "analysis/stats/proportions.hpp"
#include "simulated_fleet.hpp"
#include "tests/catch.hpp"

using namespace grit;
using grit::testing::FleetSettings;
using grit::testing::FleetSpread;
using grit::testing::SimulatedFleet;

namespace {

const BurninFinding* finding_of(const std::vector<BurninFinding>& findings, const std::string& key) {
  for (const BurninFinding& one : findings)
    if (finding_key(one) == key) return &one;
  return nullptr;
}

/// Observations by hand: 8 nodes in pairs that are drawn anew each visit.
struct Pairs {
  std::vector<BurninObservation> observations{};
  std::map<std::string, std::string> classes{}, groups{};
  BurninConfig config{};
  std::map<std::string, int> looks{};

  Pairs() {
    config.rounds = {BurninRound{.name = "links", .kinds = {"link"}, .shape = BurninShape::pair}};
    config.limits["link_rate"].spread = 0.03;
    for (int i = 0; i < 8; ++i) classes[name(i)] = "one class";
  }
  static std::string name(int i) { return "n" + std::to_string(i); }

  template <class Value>
  void pair(int a, int b, int visit, bool confirms, const Value& value) {
    for (const bool forth : {true, false}) {
      BurninObservation one = value(forth ? a : b, forth ? b : a);
      one.host = name(forth ? a : b), one.peer = name(forth ? b : a);
      one.visit = visit, one.confirms = confirms;
      one.cell = "links/" + std::to_string(visit) + (confirms ? "c/" : "/") + one.host + "-" + one.peer;
      observations.push_back(one);
    }
  }
  /// A tournament's rounds: each node meets another in each.
  template <class Value>
  void visits(int count, const Value& value) {
    for (int visit = 0; visit < count; ++visit) {
      pair(7, visit, visit, false, value);
      for (int i = 1; i < 4; ++i) pair((visit + i) % 7, (visit + 7 - i) % 7, visit, false, value);
    }
  }
  [[nodiscard]] std::vector<BurninFinding> judge() const {
    return judge_burnin({&config, &classes, &groups, &observations, nullptr, "links", looks});
  }
};

/// A rate of 1 Gbit/s and a little noise that depends on who it is.
double rate_of(int a, int b) { return 1e9 * (1 + 0.01 * std::sin(12.9898 * a + 78.233 * b)); }

}  // namespace

TEST_CASE("a node that computes 10 per cent slower is the only one called bad") {
  std::mt19937_64 random(3);
  FleetSettings settings;
  settings.stated_spread = 0.005;
  settings.slower = {0.105};
  SimulatedFleet fleet(random, settings);
  fleet.measure_all();
  const auto before = fleet.judge();
  REQUIRE(finding_of(before, "compute n0000") != nullptr);
  CHECK(finding_of(before, "compute n0000")->status == BurninStatus::suspect);
  SimulatedFleet again(random, settings);
  const auto findings = again.burn_in();
  for (const BurninFinding& one : findings) {
    CAPTURE(one.host, one.why);
    CHECK((one.status == BurninStatus::shown) == (one.host == "n0000"));
  }
  const BurninFinding* bad = finding_of(findings, "compute n0000");
  REQUIRE(bad != nullptr);
  const double truth = 1 - std::exp(-again.offset(0));
  CHECK(bad->worse_low < truth + 0.01);
  CHECK(bad->worse_high > truth - 0.01);
  CHECK(bad->why.find("matrix products") == 0);
}

TEST_CASE("a faster node is never accused") {
  std::mt19937_64 random(5);
  for (int i = 0; i < 50; ++i) {
    FleetSettings settings;
    settings.slower = {-0.2};
    SimulatedFleet fleet(random, settings);
    const auto findings = fleet.burn_in();
    CHECK(finding_of(findings, "compute n0000") == nullptr);
  }
}

TEST_CASE("neither the order of observations nor the unit of a figure matters") {
  std::mt19937_64 random(7);
  FleetSettings settings;
  settings.stated_spread = 0.005;
  settings.slower = {0.08, 0.02};
  SimulatedFleet fleet(random, settings);
  fleet.burn_in();
  std::vector<BurninObservation> observations = fleet.observations();
  const auto judge = [&] {
    return judge_burnin({&fleet.config(), &fleet.classes(), nullptr, &observations, nullptr, "solo", fleet.looks()});
  };
  const auto expected = judge();
  REQUIRE(!expected.empty());
  std::shuffle(observations.begin(), observations.end(), random);
  const auto shuffled = judge();
  for (BurninObservation& one : observations) one.value *= 1024;
  const auto scaled = judge();
  REQUIRE(shuffled.size() == expected.size());
  REQUIRE(scaled.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CHECK(shuffled[i].why == expected[i].why);
    CHECK(shuffled[i].p_noise == expected[i].p_noise);
    CHECK(scaled[i].status == expected[i].status);
    CHECK_THAT(scaled[i].worse, Catch::Matchers::WithinAbs(expected[i].worse, 1e-9));
  }
}

TEST_CASE("a node at half rate is suspected for what it sends and its partners are not") {
  Pairs pairs;
  const auto value = [](int a, int b) {
    return BurninObservation{.measure = "link_rate", .value = rate_of(a, b) * (a == 3 ? 0.5 : 1)};
  };
  pairs.visits(3, value);
  auto findings = pairs.judge();
  REQUIRE(findings.size() == 1);
  CHECK(finding_key(findings[0]) == "link_rate n3");
  CHECK(findings[0].status == BurninStatus::suspect);
  pairs.looks["link_rate n3"] = 1;
  for (int visit = 0; visit < 6; ++visit) {
    pairs.pair(3, visit % 2 == 0 ? 0 : 6, 10 + visit, true, value);
    pairs.pair(0, 6, 10 + visit, true, value);
  }
  findings = pairs.judge();
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].status == BurninStatus::shown);
  CHECK(findings[0].why.find("sent") != std::string::npos);
}

TEST_CASE("a slow link between two good nodes is the link's") {
  Pairs pairs;
  const auto value = [](int a, int b) {
    return BurninObservation{.measure = "link_rate", .value = rate_of(a, b) * (a == 1 && b == 6 ? 0.4 : 1)};
  };
  pairs.visits(3, value);
  auto findings = pairs.judge();
  REQUIRE(findings.size() == 1);
  CHECK(finding_key(findings[0]) == "link_rate n1>n6");
  pairs.looks["link_rate n1>n6"] = 1;
  for (int visit = 0; visit < 6; ++visit) {
    pairs.pair(1, 6, 10 + visit, true, value);
    pairs.pair(2, 5, 10 + visit, true, value);
  }
  findings = pairs.judge();
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].status == BurninStatus::shown);
}

TEST_CASE("where few meet, those who met a slow node more than once are not taken for slow, nor their links") {
  // Five nodes of which n3 dies in the first visit, its partner's cell with it: who is left meets n2 again and again.
  const auto value = [](int a, int b) {
    return BurninObservation{.measure = "link_rate", .value = rate_of(a, b) * (a == 2 ? 0.25 : 1)};
  };
  using Meetings = std::vector<std::array<int, 3>>;
  const auto meetings = GENERATE(Meetings{{2, 0, 0}, {1, 0, 0}, {1, 2, 1}, {4, 1, 1}, {0, 2, 1}, {4, 0, 2}, {1, 2, 2}},
                                 Meetings{{2, 0, 0}, {4, 1, 1}, {0, 4, 1}, {2, 1, 1}, {1, 0, 2}, {4, 2, 2}});
  Pairs pairs;
  for (int i = 5; i < 8; ++i) pairs.classes.erase(Pairs::name(i));
  pairs.config.limits["link_rate"].spread = 0.03;
  for (const auto& [a, b, visit] : meetings) pairs.pair(a, b, visit, false, value);
  auto findings = pairs.judge();
  REQUIRE(finding_of(findings, "link_rate n2") != nullptr);
  for (const BurninFinding& one : findings) pairs.looks[finding_key(one)] = 1;
  const std::array good{0, 1, 4};
  for (int visit = 0; visit < 6; ++visit) {
    const int a = good[static_cast<std::size_t>(visit) % 3], b = good[static_cast<std::size_t>(visit + 1) % 3];
    pairs.pair(2, a, 10 + visit, true, value);
    pairs.pair(a, b, 10 + visit, true, value);
    pairs.pair(2, b, 10 + visit, true, value);
  }
  for (const BurninFinding& one : pairs.judge()) {
    CAPTURE(finding_key(one), one.why);
    CHECK((one.status == BurninStatus::shown) == (finding_key(one) == "link_rate n2"));
    CHECK((one.status == BurninStatus::shown || one.status == BurninStatus::cleared));
  }
}

TEST_CASE("loss is a node's when each of its partners sees it, and a burst in one cell shows nothing") {
  const bool burst = GENERATE(false, true);
  Pairs pairs;
  int cells = 0;
  const auto value = [&](int a, int b) {
    BurninObservation one{.measure = "link_loss", .value = 0, .exposure = 40000};
    if (b == 2 && (!burst || a == 1)) one.value = burst && cells++ > 0 ? 0 : 200;
    return one;
  };
  pairs.visits(3, value);
  cells = 0;
  if (!burst) {
    const auto before = pairs.judge();
    REQUIRE(before.size() == 1);
    CHECK(finding_key(before[0]) == "link_loss n2");
  }
  pairs.looks["link_loss n2"] = 1;
  for (int visit = 0; visit < 6; ++visit) {
    pairs.pair(2, 0, 10 + visit, true, value);
    pairs.pair(2, 1, 10 + visit, true, value);
  }
  const auto findings = pairs.judge();
  const BurninFinding* node = finding_of(findings, "link_loss n2");
  REQUIRE(node != nullptr);
  CAPTURE(node->why);
  CHECK((node->status == BurninStatus::shown) == !burst);
}

TEST_CASE("a wrong result that is seen again is shown, and one that is not stays unclear") {
  std::mt19937_64 random(9);
  FleetSettings settings;
  settings.measure = "wrong_results";
  SimulatedFleet fleet(random, settings);
  std::vector<BurninObservation> observations;
  for (int node = 0; node < 8; ++node)
    observations.push_back({.measure = "wrong_results",
                            .host = fleet.name(static_cast<std::size_t>(node)),
                            .value = node == 4 ? 1.0 : 0.0,
                            .cell = "solo/0/" + std::to_string(node)});
  const bool again = GENERATE(true, false);
  observations.push_back({.measure = "wrong_results",
                          .host = fleet.name(4),
                          .value = again ? 2.0 : 0.0,
                          .cell = "solo/confirm-1/4",
                          .visit = 1,
                          .confirms = true});
  const auto findings = judge_burnin({&fleet.config(),
                                      &fleet.classes(),
                                      nullptr,
                                      &observations,
                                      nullptr,
                                      "solo",
                                      {{"wrong_results " + fleet.name(4), 3}}});
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].status == (again ? BurninStatus::shown : BurninStatus::unclear));
}

TEST_CASE("three nodes have no peers, and a limit of the config needs none") {
  std::mt19937_64 random(11);
  FleetSettings settings;
  settings.nodes = 3;
  settings.slower = {0.2};
  SimulatedFleet fleet(random, settings);
  fleet.measure_all();
  for (const BurninFinding& one : fleet.judge()) CHECK(one.status == BurninStatus::unclear);
  CHECK(fleet.judge().size() == 3);
  SimulatedFleet limited(random, settings);
  limited.config().limits["compute"].at_least = 2.8e9;
  const auto findings = limited.burn_in();
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].host == "n0000");
  CHECK(findings[0].status == BurninStatus::shown);
}

TEST_CASE("a node that is slower than it was is shown by the reference though its peers spread") {
  std::mt19937_64 random(13);
  FleetSettings settings;
  settings.nodes = 64;
  settings.spread_size = 0.04;
  settings.stated_spread = 0.005;
  SimulatedFleet fleet(random, settings);
  for (std::size_t i = 0; i < settings.nodes; ++i)
    fleet.reference.nodes[fleet.name(i)]["compute"] = 3e9 * std::exp(-fleet.offset(i) + (i == 5 ? 0.1 : 0));
  fleet.has_reference = true;
  const auto findings = fleet.burn_in();
  const BurninFinding* bad = finding_of(findings, "compute n0005");
  REQUIRE(bad != nullptr);
  CAPTURE(bad->why);
  CHECK(bad->status == BurninStatus::shown);
  CHECK(bad->of_reference);
}

TEST_CASE("facts unlike those of most nodes are shown where they must match and else are remarks") {
  std::map<std::string, std::string> classes;
  std::map<std::string, std::map<std::string, std::string>> facts;
  for (int i = 0; i < 5; ++i) {
    classes["n" + std::to_string(i)] = "c";
    facts["n" + std::to_string(i)] = {
        {"memory_bytes", std::to_string(1000000 + i)}, {"nic_mtu", "9000"}, {"kernel", "6.1"}};
  }
  facts["n1"]["nic_mtu"] = "1500";
  facts["n2"]["memory_bytes"] = "900000";
  facts["n3"]["kernel"] = "6.2";
  BurninConfig config;
  config.must_match = {"memory_bytes", "nic_mtu"};
  const auto findings = odd_facts(config, classes, facts);
  REQUIRE(findings.size() == 3);
  CHECK(finding_of(findings, "fact:nic_mtu n1")->status == BurninStatus::shown);
  CHECK(finding_of(findings, "fact:memory_bytes n2")->status == BurninStatus::shown);
  CHECK(finding_of(findings, "fact:kernel n3")->status == BurninStatus::clear);
}

TEST_CASE("a node that has lost one GPU or all of them is shown, and several that never had one are not") {
  const auto of = [](int with, int without, const std::string& odd) {
    std::map<std::string, std::string> classes;
    std::map<std::string, std::map<std::string, std::string>> facts;
    for (int i = 0; i < with + without; ++i) {
      auto& own = facts["n" + std::to_string(i)];
      own["cpu_model"] = "c";
      if (i < with) own["gpus"] = "8 of g", own["gpu_model"] = "g";
    }
    if (!odd.empty()) facts["n0"]["gpus"] = odd;
    for (const auto& [host, own] : facts) classes[host] = machine_class_of(own);
    BurninConfig config;
    config.must_match = {"gpus"};
    return odd_facts(config, classes, facts);
  };
  const auto one_less = of(5, 0, "7 of g");
  REQUIRE(one_less.size() == 1);
  CHECK(finding_of(one_less, "fact:gpus n0")->status == BurninStatus::shown);
  const auto none = of(5, 1, "");
  REQUIRE(none.size() == 1);
  CHECK(finding_of(none, "fact:gpus n5")->status == BurninStatus::shown);
  CHECK(finding_of(none, "fact:gpus n5")->why == "gpus is not there, and some on 5 of 6 nodes");
  const auto several = of(5, 4, "");  // a class of their own
  REQUIRE(several.size() == 1);
  CHECK(several[0].host.empty());
  CHECK(several[0].status == BurninStatus::clear);
  CHECK(several[0].why.starts_with("4 of the 9 nodes with c have no GPU"));
  CHECK(of(0, 5, "").empty());
  const auto few = of(2, 1, "");
  REQUIRE(few.size() == 1);
  CHECK(few[0].status == BurninStatus::unclear);  // of so few nobody knows
}

TEST_CASE("a reference comes back as it was written and a wrong one is refused") {
  BurninReport report;
  report.nodes = {{.host = "a", .machine_class = "c", .state = BurninNodeState::good, .figures = {{"compute", 2.0}}},
                  {.host = "b", .machine_class = "c", .state = BurninNodeState::bad, .figures = {{"compute", 1.0}}}};
  const auto read = reference_from_json(to_json(reference_of(report)));
  REQUIRE(read);
  CHECK(read->nodes.size() == 1);
  CHECK(read->classes.at("c").at("compute") == 2.0);
  CHECK(!reference_from_json(Json{{"classes", 1}}));
  CHECK(!reference_from_json(Json{{"format", 99}, {"classes", Json::object()}, {"nodes", Json::object()}}));
}

TEST_CASE("a node that is far out for sure is never cleared though heavy tails might reach it") {
  std::mt19937_64 random(31);
  FleetSettings settings;
  settings.nodes = 4096;
  settings.spread_size = 0.012;
  settings.slower = {8 * 0.012};
  SimulatedFleet fleet(random, settings);
  const auto findings = fleet.burn_in();
  const BurninFinding* far = finding_of(findings, "compute n0000");
  REQUIRE(far != nullptr);
  CAPTURE(far->why);
  CHECK((far->status == BurninStatus::apart || far->status == BurninStatus::shown));
}

TEST_CASE("of few nodes one that is slow for sure is set apart and with a stated spread it is called bad") {
  const bool is_stated = GENERATE(false, true);
  std::mt19937_64 random(33);
  FleetSettings settings;
  settings.spread = FleetSpread::none, settings.noise = 0.005;
  settings.slower = {-std::log1p(-0.05)};
  if (is_stated) settings.stated_spread = 0.005;
  SimulatedFleet fleet(random, settings);
  const auto findings = fleet.burn_in();
  const BurninFinding* slow = finding_of(findings, "compute n0000");
  REQUIRE(slow != nullptr);
  CAPTURE(slow->why);
  CHECK(slow->status == (is_stated ? BurninStatus::shown : BurninStatus::apart));
  CHECK(slow->why.find(is_stated ? "given a spread of 0.50 %" : "at_least or spread in the config could") !=
        std::string::npos);
}

TEST_CASE("of many nodes a gap shows those that are slow and needs no spread") {
  std::mt19937_64 random(35);
  FleetSettings settings;
  settings.nodes = 512;
  settings.slower.assign(5, -std::log1p(-0.1));
  SimulatedFleet fleet(random, settings);
  int shown = 0;
  for (const BurninFinding& one : fleet.burn_in()) {
    CAPTURE(one.why);
    if (one.status != BurninStatus::shown) continue;
    ++shown;
    CHECK(one.host <= "n0004");
    CHECK(one.why.find("a gap like that") != std::string::npos);
  }
  CHECK(shown == 5);
}

TEST_CASE("of two kinds of nodes nobody is called bad and not all of the slower kind are measured again") {
  std::mt19937_64 random(37);
  FleetSettings settings;
  settings.nodes = 300;
  settings.spread = FleetSpread::two_levels, settings.spread_size = 0.06, settings.noise = 0.005;
  SimulatedFleet fleet(random, settings);
  std::map<BurninStatus, int> count;
  std::set<std::string> not_live;
  for (const BurninFinding& one : fleet.burn_in()) {
    ++count[one.status];
    if (one.status != BurninStatus::cleared) not_live.insert(one.host);
    if (one.status == BurninStatus::unclear) CHECK(one.why.find("too many to measure") != std::string::npos);
  }
  CHECK(count[BurninStatus::shown] == 0);
  CHECK(count[BurninStatus::apart] > 0);
  CHECK(count[BurninStatus::apart] <= 15);
  CHECK(count[BurninStatus::unclear] > 15);
  for (std::size_t i = 0; i < settings.nodes; ++i)
    if (fleet.offset(i) > 0.05) CHECK(not_live.contains(fleet.name(i)));
  const auto uneven = uneven_classes(fleet.evidence());
  CHECK(uneven.empty());  // the middle one of them is alike its neighbours
}

TEST_CASE("a class that differs by more than expected is remarked on") {
  const bool is_uneven = GENERATE(true, false);
  std::mt19937_64 random(39);
  FleetSettings settings;
  settings.nodes = 64;
  settings.spread_size = is_uneven ? 0.04 : 0.005;
  SimulatedFleet fleet(random, settings);
  fleet.measure_all();
  const auto findings = uneven_classes(fleet.evidence());
  REQUIRE(findings.size() == (is_uneven ? 1 : 0));
  if (!is_uneven) return;
  CHECK(findings[0].group == "one class");
  CHECK(findings[0].measure == "compute");
  CHECK_THAT(findings[0].worse, Catch::Matchers::WithinAbs(0.04, 0.01));
  CHECK(findings[0].why.find("0.50 % are expected") != std::string::npos);
}

TEST_CASE("healthy fleets have a node called bad no more often than claimed", "[statistics]") {
  const std::size_t nodes = GENERATE(std::size_t{8}, std::size_t{64});
  const bool is_stated = GENERATE(true, false);
  std::mt19937_64 random(17);
  int wrong = 0;
  constexpr int kFleets = 400;
  for (int i = 0; i < kFleets; ++i) {
    FleetSettings settings;
    settings.nodes = nodes;
    settings.spread_size = 0.01;
    if (is_stated) settings.stated_spread = 0.01;
    SimulatedFleet fleet(random, settings);
    const auto findings = fleet.burn_in();
    wrong += std::any_of(findings.begin(), findings.end(),
                         [](const BurninFinding& one) { return one.status == BurninStatus::shown; });
  }
  CAPTURE(nodes, wrong);
  CHECK(share_at_least(wrong, kFleets, 0.01) <= 0.01);
}
