#include <thread>

#include "harness/agent/node_checks.hpp"
#include "tests/namespace.hpp"

namespace grit {
namespace {

Plan plan_with_checks(bool local_cluster) {
  Plan plan;
  for (int i = 0; i < 2; ++i) plan.topology.nodes.push_back({.index = i, .name = "node" + std::to_string(i)});
  plan.topology.local_cluster = local_cluster;
  for (const Check* check : checks())
    if (check->info.name == "link_up" || check->info.name == "nic_errors")
      plan.checks.push_back({check->info.name, test::ok(complete_params(check_params(check->info), Json::object()))});
  return plan;
}

TEST_CASE("checks of a node are read in blocks and counted for the block they were read in") {
  const Plan plan = plan_with_checks(true);
  std::vector<Json> events;
  NodeChecks checks(plan, 0, test::ok(start_checks(plan, 0, {})),
                    [&](Json event) { events.push_back(std::move(event)); });
  const auto turn_for = [&](std::int64_t time_ns) {
    for (const std::int64_t until_ns = monotonic_ns() + time_ns; monotonic_ns() < until_ns;) {
      checks.turn(monotonic_ns());
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  };
  turn_for(100 * kNsPerMs);
  CHECK(events.empty());  // no block, no reading
  for (const int block : {1, 2}) {
    checks.begin_block(block);
    CHECK(checks.next_ns() < monotonic_ns() + kNsPerS);
    turn_for(300 * kNsPerMs);
    checks.end_block();
  }
  turn_for(100 * kNsPerMs);
  std::map<std::string, int> summaries;
  for (const Json& event : events) {
    if (event.at("type") != "check_summary") continue;
    summaries[event.at("check")] += 1;
    CHECK(event.at("not_here") == true);  // the nodes of this plan have no NIC
    CHECK(event.at("not_made").get<int>() >= 1);
    CHECK(event.at("readings") == 0);
  }
  CHECK(summaries == std::map<std::string, int>{{"link_up", 2}, {"nic_errors", 2}});
}

TEST_CASE("checks whose cost is asked for are read in fault blocks only") {
  Plan plan = plan_with_checks(true);
  plan.checks[0].params["blocks"] = "fault";
  plan.blocks = {{.index = 0, .kind = BlockKind::baseline},
                 {.index = 1, .kind = BlockKind::fault},
                 {.index = 2, .kind = BlockKind::sham}};
  std::vector<Json> events;
  NodeChecks checks(plan, 0, test::ok(start_checks(plan, 0, {})),
                    [&](Json event) { events.push_back(std::move(event)); });
  for (const int block : {0, 1, 2}) {
    checks.begin_block(block);
    for (const std::int64_t until_ns = monotonic_ns() + 200 * kNsPerMs; monotonic_ns() < until_ns;) {
      checks.turn(monotonic_ns());
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    checks.end_block();
  }
  std::map<std::string, std::vector<int>> blocks;
  for (const Json& event : events)
    if (event.at("type") == "check_summary") blocks[event.at("check")].push_back(event.at("block"));
  CHECK(blocks.at(plan.checks[0].name) == std::vector{1});
  CHECK(blocks.at(plan.checks[1].name) == std::vector{0, 1, 2});
}

TEST_CASE("a plan without checks has no runner") {
  Plan plan = plan_with_checks(false);
  plan.checks.clear();
  CHECK_FALSE(test::ok(start_checks(plan, 0, {})).has_value());
  NodeChecks checks(plan, 0, std::optional<CheckRunner>(), [](const Json&) { FAIL("nothing is to be told"); });
  checks.begin_block(1);
  checks.turn(monotonic_ns());
  checks.end_block();
  CHECK(checks.descriptor() == -1);
}

TEST_CASE("where no runner can be started the checks are unknown in every block, and say why") {
  const Plan plan = plan_with_checks(true);
  std::vector<Json> events;
  NodeChecks checks(plan, 0, internal_error("cannot fork"), [&](Json event) { events.push_back(std::move(event)); });
  for (const int block : {1, 2}) {
    checks.begin_block(block);
    checks.turn(monotonic_ns());
    checks.end_block();
  }
  int summaries = 0;
  for (const Json& event : events) {
    if (event.at("type") != "check_summary") continue;
    ++summaries;
    CHECK(event.at("not_made") == 1);
    CHECK(event.at("detail") == "cannot fork");
    CHECK_FALSE(event.contains("not_here"));
  }
  CHECK(summaries == 4);
}

}  // namespace
}  // namespace grit
