// Scenario + topology + seed -> plan. Pure: no clock, no file, no kernel; the same inputs give the same bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/model/plan.hpp"

namespace grit {

struct PlanRequest {
  std::uint64_t seed = 1;
  int trial = 0;  // of a series: other random orders and moments with the same victims; 0: a run by itself
  Allowed allowed{};
  std::optional<std::vector<int>>
      faults{};  // only these of the scenario's list, on the nodes they have beside the others
};

/// Resolves victims, devices, mechanisms, pulses and leases, and lays out the blocks: one warm-up, then every pair's
/// baseline and fault block in random order. What the guard rails refuse is not an error: it is in Plan::guards, so
/// that `grit plan` can show all of it; who runs a plan must look there. Error (usage): axes that do not make up the
/// ranks or that the workload cannot divide by, a node or a coordinate that does not exist, a block too short for its faults, one device hit twice by the
/// same fault; or what Injector::resolve_device reports.
Result<Plan> make_plan(const Scenario& scenario, const Topology& topology, const PlanRequest& request);

/// The plan in words, for `grit plan`: what would be done, where, how, how it is undone, and what it cannot show. One
/// that the guard rails refuse says so in its first line and why in its last ones. `series`: what it is a trial of.
std::string describe_plan(const Plan& plan, const std::string& series = {});

}  // namespace grit
