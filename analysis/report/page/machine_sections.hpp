// The parts of the pages of comparisons and series that are about the machines.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "analysis/compare/environment_diff.hpp"
#include "analysis/compare/machine_shift.hpp"

namespace grit {

/// What they went through, on both sides; those shown to differ first. Empty: nothing is known of it.
std::string machines_html(std::span<const MachineShift> machines, const std::vector<std::string>& node_names);

/// What differs between them, the most suspicious first.
std::string environment_html(const EnvironmentComparison& environment, const std::vector<std::string>& node_names);

/// "n12"; "node 3" where it has no name.
std::string node_label(const std::vector<std::string>& node_names, int node);

}  // namespace grit
