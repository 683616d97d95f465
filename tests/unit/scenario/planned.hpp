// Scenarios of some faults, and what the planner makes of them on a cluster made by hand.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "harness/scenario/planner.hpp"
#include "tests/unit/scenario/fixture.hpp"

namespace grit::test {

/// scenario_with() these faults.
Scenario scenario(std::string_view faults);
/// Of a workload that would use these axes, which ddp does not.
Scenario over(const AxisValues& mesh, std::string_view faults);
inline const AxisValues kTwoByTwo{{Axis::tp, 2}, {Axis::pp, 2}};

/// Nodes with ranks one after the other, as launchers give them.
Topology ranks_on(int nodes, int ranks_per_node);

/// Must be made.
Plan plan_of(const Scenario& scenario, int nodes = 4, const PlanRequest& request = {});
Plan plan_on(const Scenario& scenario, const Topology& topology);
/// Must fail, with a usage error: its message.
std::string error_of(const Scenario& scenario, const Topology& topology = cluster_of(4));

std::string text_of(const Plan& plan);
/// The node of each fault.
std::vector<int> victims(const Plan& plan);

}  // namespace grit::test
