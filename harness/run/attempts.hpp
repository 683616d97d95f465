// A run whose job starts again after deaths (Design::restarts), as whoever is outside of the job drives it.
#pragma once

#include <filesystem>
#include <functional>

#include "harness/base/result.hpp"
#include "harness/run/execution.hpp"

namespace grit {

/// How an attempt was over, besides what its files say.
struct AttemptRun {
  bool interrupted = false;
  std::filesystem::path to_revert{};  // the journals of what faults changed of the whole machine and is not off again;
                                      // empty: all is
};

/// Runs the plan in a directory that is prepared, until its job and its recorder have ended. Error: nothing was
/// recorded.
using AttemptRunner = std::function<Result<AttemptRun>(const Execution&, const std::filesystem::path&)>;

/// All attempts of a run with Design::restarts, whose directory is prepared. The first is run by `first`; after each
/// end by a rank's death or a node's loss comes another, in a directory of its own, by `again`, as often as the plan in
/// the directory allows. Checkpoints are removed at the end, and signals that end a run wait between two attempts. What
/// is returned is of the last attempt that ran; one that does not start is said. Error: the first recorded nothing.
Result<AttemptRun> run_attempts(const Execution& execution, const std::filesystem::path& run_directory,
                                const AttemptRunner& first, const AttemptRunner& again);

}  // namespace grit
