// What a finished ordinary run says of each of its nodes, for a burn-in.
#pragma once

#include <filesystem>
#include <vector>

#include "harness/base/result.hpp"
#include "harness/model/burnin_observation.hpp"
#include "harness/model/plan.hpp"

namespace grit {

/// A line a node, by the names of the run's plan. `stress_own`: the median own work of a step in the fault blocks
/// (analysis/records/own_work.hpp). `link_after_flap`, of the nodes on which a link was taken down: steps a second in
/// recovery blocks, from 5 s after the fault's end on, as a share of those in baseline blocks. `wrong_results`: sums
/// that were not as computed. A node whose fault was not applied, or not reverted, has the line's error instead. Error
/// (usage): no finished run.
Result<std::vector<BurninLine>> figures_of_run(const std::filesystem::path& run_directory);

/// No fault of the plan may make a NIC lose its carrier: takes it down, gives it another MTU, upon which some drivers
/// start the link anew, or runs commands, which may do anything.
bool leaves_carriers_alone(const Plan& plan);

}  // namespace grit
