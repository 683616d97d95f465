// Opening an existing journal; for journal*.cpp only.
#pragma once

#include "harness/agent/journal.hpp"

namespace grit {

/// A journal is read whole; what would make it larger is not written.
constexpr std::size_t kMaxJournalBytes = std::size_t{64} << 20;

struct JournalAccess {
  /// Checks that it is trusted, locks it, reads it, cuts a torn last line off.
  static Result<Journal> open_existing(const std::filesystem::path& path, uid_t owner);
  static const std::vector<std::string>& problems(const Journal& journal) { return journal.problems_; }
};

}  // namespace grit
