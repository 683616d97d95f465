// What can be said of a plan before it is run: what it cannot show.
#pragma once

#include <string>
#include <vector>

#include "harness/model/plan.hpp"

namespace grit {

/// A sentence each, with what to do instead; for `grit plan` and for the run before it starts. Of these:
/// too few pairs for a verdict; an expected culprit that nothing in this plan and on this cluster can tell from the
/// others (analysis/blame/culprit.hpp has the rules), more than 4 ranks a CPU, a fault on a NIC while the job is told
/// to use another, and one on nodes that were chosen by coordinates, but that have ranks with other coordinates, too. And Plan::remarks.
std::vector<std::string> plan_warnings(const Plan& plan);

}  // namespace grit
