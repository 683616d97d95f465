// A verdict's sentence, and what else has to be said of its run.
#pragma once

#include <string>
#include <vector>

#include "analysis/verdict/findings.hpp"
#include "analysis/verdict/run_facts.hpp"

namespace grit {

/// What somebody must mend, how the run ended unless well, and what steps cost: one sentence.
std::string verdict_sentence(const RunFacts& facts, const Findings& findings);

/// Faults without effect in some windows.
std::vector<std::string> ineffective_faults(const RunFacts& facts);

/// Why pairs were left out; also that too few are left, where that is why there is no effect.
std::vector<std::string> left_out_pairs(const RunFacts& facts, const Findings& findings);

/// What was odd without being a reason by itself: sham blocks that change, a baseline that does, lost records, checks
/// that failed or could not be made.
std::vector<std::string> odd_things(const RunFacts& facts, const Findings& findings);

}  // namespace grit
