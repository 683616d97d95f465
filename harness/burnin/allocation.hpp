// Is the allocation around this process one in which a burn-in's cells can run?
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "harness/burnin/log.hpp"

namespace grit {

/// Nodes that may still be in cells, in the order of the hosts: neither bad nor given up.
std::vector<std::string> nodes_with_cells_left(const BurninReport& report);

/// srun would refuse every cell outside of an allocation that has the nodes. Right is the one in which the burn-in
/// began (SLURM_JOB_ID), and any other that has all of `hosts` (SLURM_JOB_NODELIST), which is said on standard error; a
/// launcher other than srun needs none. `directory`: the burn-in's. Error (unavailable): another one, or none; says how
/// to get one with these hosts and go on there.
Status check_allocation(const BurninHead& head, const std::vector<std::string>& hosts,
                        const std::filesystem::path& directory);

}  // namespace grit
