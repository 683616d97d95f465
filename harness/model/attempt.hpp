// A run whose job starts again after a death (Design::restarts): its attempts.
//
// The first attempt is the run directory itself; each further one is a directory of the same kind under attempts/, with
// records, events and a plan of its own. Steps are counted over all of them. What was left of the block in which the
// job died is made up for without faults, as the attempt's warm-up, together with the steps that were lost: a block
// that was cut counts for nothing, and what killed the job would only do it again. Then the plan goes on.
#pragma once

#include <filesystem>

#include "harness/model/plan.hpp"

namespace grit {

/// "RUN", "RUN/attempts/2", "RUN/attempts/3". Attempts are counted from 1.
std::filesystem::path attempt_directory(const std::filesystem::path& run_directory, int attempt);

/// Where the ranks of all attempts keep their checkpoints, from the directory of one of them: "RUN/checkpoints".
std::filesystem::path checkpoint_directory(const std::filesystem::path& attempt_directory, int attempt);

/// How many steps a block has; blocks of plans with restarts are counted in steps. Zero: ranks take none (link tests).
std::int64_t steps_of(const Plan& plan, const Block& block);

/// The plan of the attempt after this one, if it began with the job's first step: a warm-up over all steps up to the
/// end of the last block that this attempt has entered (-1: of none), then the blocks that come after it.
Plan next_attempt(const Plan& plan, int last_block);

/// The same from `first_step` on, which is at most the first step behind the warm-up: so much shorter is that.
Plan beginning_at(Plan plan, std::int64_t first_step);

}  // namespace grit
