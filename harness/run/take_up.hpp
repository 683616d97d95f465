// The beginning of a further attempt: which checkpoint does the job go on from?
#pragma once

#include <filesystem>

#include "harness/base/result.hpp"
#include "harness/model/plan.hpp"
#include "harness/run/job.hpp"

namespace grit {

/// Before anything of a run with restarts has started. Collective. Makes the directory of checkpoints, which every
/// rank must see. Error (usage): a node does not; says what to do.
Status prepare_checkpoints(const Job& job, const std::filesystem::path& run_directory, bool sees_it, int attempt);

/// Every rank reads its parts to the last byte; the newest step of which all have a whole one is taken, without any the
/// job begins anew. Collective. Returns the plan from there on. Node 0 puts it into plan.json, and into events.jsonl
/// what was taken, and what was newer and passed over (event "resumed").
Result<Plan> take_up(const Job& job, const Plan& plan, const std::filesystem::path& run_directory);

}  // namespace grit
