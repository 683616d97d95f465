// runs/<scenario>/latest: a symbolic link to the newest run or series there.
#pragma once

#include <filesystem>

#include "harness/base/result.hpp"

namespace grit {

/// Puts the link `latest` beside this run's directory, in one step: whoever looks finds the old or the new one. It is a
/// convenience: where it cannot be made there is none, nor where root may not write safely (check_run_directory()), nor
/// in the place of anything that is no symbolic link.
void point_latest_at(const std::filesystem::path& run);

/// Points `latest` at a run that is about to begin, and back at the one before when it did not begin after all.
class LatestLink {
 public:
  /// `run` empty: does nothing.
  explicit LatestLink(std::filesystem::path run);
  LatestLink(const LatestLink&) = delete;
  LatestLink& operator=(const LatestLink&) = delete;
  ~LatestLink();
  /// The run has begun.
  void keep() { run_.clear(); }

 private:
  std::filesystem::path run_;
  std::filesystem::path before_{};  // empty: there was none
};

/// The run that `latest` in this directory is to: a directory beside it, and nothing elsewhere. Error (usage): there is
/// none.
Result<std::filesystem::path> latest_run(const std::filesystem::path& directory);

}  // namespace grit
