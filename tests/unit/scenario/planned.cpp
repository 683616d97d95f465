#include "tests/unit/scenario/planned.hpp"

#include <fmt/format.h>

#include "tests/catch.hpp"
#include "tests/unit/scenario/fixture.hpp"

namespace grit::test {

Scenario scenario(std::string_view faults) {
  auto loaded = load_text(scenario_with(fmt::format("faults = {{ {} }},", faults)));
  INFO((loaded ? std::string() : loaded.error().message));
  REQUIRE(loaded.has_value());
  return std::move(*loaded);
}

Plan plan_of(const Scenario& scenario, int nodes, const PlanRequest& request) {
  auto plan = make_plan(scenario, cluster_of(nodes), request);
  INFO((plan ? std::string() : plan.error().message));
  REQUIRE(plan.has_value());
  return std::move(*plan);
}

std::string error_of(const Scenario& scenario, const Topology& topology) {
  const auto plan = make_plan(scenario, topology, {});
  REQUIRE_FALSE(plan.has_value());
  CHECK(plan.error().kind == ErrorKind::usage);
  return plan.error().message;
}

std::string text_of(const Plan& plan) { return to_json(plan).dump(); }

std::vector<int> victims(const Plan& plan) {
  std::vector<int> nodes;
  for (const PlannedFault& fault : plan.faults) nodes.push_back(fault.node);
  return nodes;
}

Scenario over(const AxisValues& mesh, std::string_view faults) {
  Scenario made = scenario(faults);
  made.mesh = mesh;
  return made;
}

Topology ranks_on(int nodes, int ranks_per_node) {
  Topology topology = cluster_of(nodes);
  for (Node& node : topology.nodes) {
    node.ranks.clear();
    for (int i = 0; i < ranks_per_node; ++i) node.ranks.push_back(node.index * ranks_per_node + i);
  }
  return topology;
}

Plan plan_on(const Scenario& scenario, const Topology& topology) {
  auto plan = make_plan(scenario, topology, {});
  INFO((plan ? std::string() : plan.error().message));
  REQUIRE(plan.has_value());
  return std::move(*plan);
}

}  // namespace grit::test
