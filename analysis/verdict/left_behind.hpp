// What somebody must mend after a run: faults that may still be in force, nodes that are not as they were.
#pragma once

#include <string>
#include <vector>

#include "analysis/facts/evidence.hpp"
#include "harness/model/plan.hpp"
#include "harness/model/verdict.hpp"

namespace grit {

/// The reasons that say so, each with what to do; they begin with kNotReverted or kLeftBehind. Where a fault went with
/// its node, or was taken off after the run, nobody has anything to mend: that is said, and its `unreverted` becomes 0.
std::vector<std::string> left_behind(const Plan& plan, const RunEvidence& evidence, std::vector<FaultResult>& faults);

/// The same in a few words at the head of the verdict's sentence, whatever ended the run; empty: nothing to mend.
std::string mend_sentence(const Plan& plan, const std::vector<FaultResult>& faults);

}  // namespace grit
