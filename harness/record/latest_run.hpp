// runs/<scenario>/latest: a symbolic link to the newest run or series there.
#pragma once

#include <filesystem>

#include "harness/base/result.hpp"

namespace grit {

/// Puts the link `latest` beside this run's directory, in one step: whoever looks finds the old or the new one. It is a
/// convenience: where it cannot be made there is none, nor where root may not write safely (check_run_directory()), nor
/// in the place of anything that is no symbolic link.
void point_latest_at(const std::filesystem::path& run);

/// Takes the link away when it is to this run, which is about to be removed.
void forget_latest(const std::filesystem::path& run);

/// The run that `latest` in this directory is to: a directory beside it, and nothing elsewhere. Error (usage): there is
/// none.
Result<std::filesystem::path> latest_run(const std::filesystem::path& directory);

}  // namespace grit
