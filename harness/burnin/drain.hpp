// Taking bad nodes out of Slurm's hands, when the user has asked for it.
#pragma once

#include "harness/model/burnin.hpp"

namespace grit {

/// Runs drain_commands() (analysis/report/export/burnin_export.hpp), one after the other, and says on standard error
/// what came of each, of those that failed with the reason: what the burn-in found is as true then, and is its exit
/// code. A node that is drained already, by whomever, is left as it is: its reason is somebody else's. One that was set
/// apart is not drained.
void drain_bad_nodes(const BurninReport& report);

}  // namespace grit
