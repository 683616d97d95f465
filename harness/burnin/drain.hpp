// Taking bad nodes out of Slurm's hands, when the user has asked for it.
#pragma once

#include "harness/base/result.hpp"
#include "harness/model/burnin.hpp"

namespace grit {

/// Runs drain_commands() (analysis/report/export/burnin_export.hpp), one after the other, and says on standard error
/// what came of each. A node that is drained already, by whomever, is left as it is: its reason is somebody else's.
/// Error (unavailable): there is no scontrol in PATH. Error (internal): a node could not be drained.
Status drain_bad_nodes(const BurninReport& report);

}  // namespace grit
