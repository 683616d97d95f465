// The undo journal: what must be undone is on disk before it is done. One file a run and node, one JSON
// object a line, only ever appended to:
//   {"state":"intent","id":..,"injector":..,"undo":{..},"machine":..,"boot_id":..,"netns":..,"pidns":..}
//                                 before a fault may be applied; where: harness/os/identity.hpp
//   {"state":"reverted","id":..}  after it was proven to be off
#pragma once

#include <sys/auxv.h>
#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "harness/base/fd.hpp"
#include "harness/base/json.hpp"
#include "harness/base/result.hpp"

namespace grit {

struct JournalEntry {
  std::string id{};
  std::string injector{};
  Json undo{};
  std::string machine{};  // machine_id(); empty: that machine has none
  std::string boot_id{};  // of the boot and the namespaces in which it was written
  std::string netns{};
  std::string pidns{};
};

class Journal {
 public:
  /// Makes the file (mode 0600) and its directory (0700), or goes on with one of our own, after its last whole line.
  /// Holds a lock on it as long as the object lives.
  /// Errors: unavailable, it cannot be made (read-only, no space, no permission) or another process holds it; usage,
  /// what is there is not trusted (revert_journal()).
  static Result<Journal> open(const std::filesystem::path& path);

  /// On disk when it returns (fsync). On an error nothing of the entry is in the file, and the fault must not be
  /// applied. Errors: unavailable, disk full or read-only, or the file would become larger than is read back; internal,
  /// an entry of this id is pending already.
  Status append_intent(const std::string& id, const std::string& injector, const Json& undo);
  /// When nothing is pending any more and the file has grown, it is emptied. Error (internal): no entry of this id is
  /// pending.
  Status append_reverted(const std::string& id);
  /// Deletes the file when nothing is pending; says whether it did.
  Result<bool> remove_if_clean();
  [[nodiscard]] const std::vector<JournalEntry>& pending() const { return pending_; }

 private:
  friend struct JournalAccess;
  Journal() = default;
  /// Leaves room for so much more: every pending entry must still be able to be marked as reverted.
  Status append(const Json& line, std::size_t reserved_bytes);
  Status empty_if_grown();

  std::filesystem::path path_;
  Fd directory_;
  Fd file_;
  std::vector<JournalEntry> pending_{};
  std::vector<std::string> problems_{};
};

/// The entries of this user's journal that are not reverted yet, in order. A torn last line was never acted upon:
/// ignored.
Result<std::vector<JournalEntry>> pending(const std::filesystem::path& path);

struct RevertReport {
  int reverted = 0;
  int gone = 0;  // there is provably nothing left to revert: another boot of this machine, a namespace that has ended
  /// What was not reverted and why, one line each; empty: nothing is left, and the file is gone.
  std::vector<std::string> problems{};
};

/// Reverts what is pending, last first, and journals it. What is of an earlier boot of this machine, or of a namespace
/// that has ended, is gone, unless it may outlive these (InjectorInfo). A problem, kept in the file and not acted upon:
/// an entry of another machine, or of a namespace that may still exist; one that names an unknown injector, or whose
/// undo record is none that the injector could have written. Error (usage): the file is not trusted at all: a symlink,
/// not regular, not owned by expected_owner_uid, writable by others, or in a directory that is.
Result<RevertReport> revert_journal(const std::filesystem::path& path, uid_t expected_owner_uid);

/// Reverts what is pending in the directory's journals of faults that are machine_wide, whatever namespaces they were
/// applied from: those of a local cluster that was killed, which took all the rest with it. False: something is still
/// pending, or an agent still has its journal open: try again.
bool revert_machine_wide(const std::filesystem::path& directory, uid_t expected_owner_uid);

/// Where journals lie: GRIT_JOURNAL_DIR; else, for root, /var/lib/grit/journal; else $XDG_STATE_HOME/grit/journal or
/// ~/.local/state/grit/journal.
std::filesystem::path default_journal_directory();

/// What to do when that directory will not do, as the end of a sentence. A program with file capabilities
/// (`secure`: AT_SECURE, getauxval(3)) ignores GRIT_JOURNAL_DIR: its user must not choose where it writes.
std::string other_journal_directory(bool secure = ::getauxval(AT_SECURE) != 0);

}  // namespace grit
