#include "harness/agent/journal.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "harness/agent/journal_access.hpp"
#include "harness/agent/journal_text.hpp"
#include "harness/agent/private_file.hpp"
#include "harness/base/files.hpp"
#include "harness/os/identity.hpp"

namespace grit {
namespace {

/// A "reverted" line is shorter than this: its id has at most 256 bytes.
constexpr std::size_t kRevertedLine_bytes = 512;
/// Above this size a journal in which nothing is pending is emptied, so that a long run's does not grow for ever.
constexpr off_t kWorthEmptying_bytes = 1 << 20;

std::filesystem::path directory_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

/// Creates the file, never through a symlink; whether it was not there before.
Result<bool> create_file(const Fd& directory, const std::filesystem::path& path) {
  const Fd made(
      ::openat(directory.get(), path.filename().c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!made && errno == EEXIST) return false;
  if (!made)
    return unavailable_error(fmt::format("cannot make the undo journal {}: {}; {}", path.string(), std::strerror(errno),
                                         other_journal_directory()));
  if (::fsync(directory.get()) != 0) return errno_error("cannot fsync " + directory_of(path).string());
  return true;
}

Status lock(const Fd& file, const std::filesystem::path& path) {
  if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) return {};
  if (errno == EWOULDBLOCK)
    return unavailable_error(path.string() + " is in use by another grit: wait until that run has ended, or end it");
  return {};  // a file system without locks: the node's own lock (NodeLock) has to do
}

}  // namespace

Result<Journal> JournalAccess::open_existing(const std::filesystem::path& path, uid_t owner) {
  Journal journal;
  journal.path_ = path;
  GRIT_TRY(journal.directory_, open_private_directory(directory_of(path), owner));
  GRIT_TRY(journal.file_, open_private_file(journal.directory_, path, O_RDWR | O_APPEND, owner));
  GRIT_CHECK(lock(journal.file_, path));
  GRIT_TRY(const std::string text, read_all(journal.file_.get(), kMaxJournalBytes));
  JournalText parsed = parse_journal(text);
  journal.pending_ = std::move(parsed.pending);
  journal.problems_ = std::move(parsed.problems);
  if (parsed.whole_bytes < text.size() && ::ftruncate(journal.file_.get(), static_cast<off_t>(parsed.whole_bytes)) != 0)
    return errno_error("cannot cut the torn last line off " + path.string());
  return journal;
}

Result<Journal> Journal::open(const std::filesystem::path& path) {
  GRIT_CHECK(make_private_directory(directory_of(path)));
  {
    GRIT_TRY(const Fd directory, open_private_directory(directory_of(path), ::geteuid()));
    GRIT_CHECK(create_file(directory, path));
  }
  return JournalAccess::open_existing(path, ::geteuid());
}

Status Journal::append(const Json& line, std::size_t reserved_bytes) {
  struct stat before {};
  if (::fstat(file_.get(), &before) != 0) return errno_error("fstat");
  const auto text = exact_json_text(line);
  if (!text) return internal_error("cannot write the undo journal: " + text.error().message);
  if (static_cast<std::size_t>(before.st_size) + text->size() + 1 + reserved_bytes > kMaxJournalBytes)
    return unavailable_error(fmt::format(
        "the undo journal {} would become larger than {} MiB, more than is read back. Fewer pulses a block, or faults "
        "on interfaces with fewer routes, need less",
        path_.string(), kMaxJournalBytes >> 20));
  Status written = write_all(file_.get(), *text + "\n");
  if (written && ::fsync(file_.get()) != 0) written = errno_error("fsync failed");
  if (written) return {};
  // A part of a line in the middle would spoil all that is written after it.
  if (::ftruncate(file_.get(), before.st_size) != 0)
    return errno_error("cannot take back a part of a line from " + path_.string());
  return unavailable_error(
      fmt::format("cannot write the undo journal {}: {}. Nothing may be changed without it: free some space, or {}",
                  path_.string(), written.error().message, other_journal_directory()));
}

Status Journal::append_intent(const std::string& id, const std::string& injector, const Json& undo) {
  const bool taken =
      std::any_of(pending_.begin(), pending_.end(), [&](const JournalEntry& one) { return one.id == id; });
  if (taken) return internal_error("an undo entry " + id + " is pending already");
  JournalEntry entry{.id = id, .injector = injector, .undo = undo, .machine = machine_id()};
  GRIT_TRY(entry.boot_id, boot_id());
  GRIT_TRY(entry.netns, netns_id());
  GRIT_TRY(entry.pidns, pidns_id());
  GRIT_CHECK(append(intent_line(entry), (pending_.size() + 1) * kRevertedLine_bytes));
  pending_.push_back(std::move(entry));
  return {};
}

Status Journal::append_reverted(const std::string& id) {
  const auto is_it = [&](const JournalEntry& one) { return one.id == id; };
  if (std::none_of(pending_.begin(), pending_.end(), is_it))
    return internal_error("no undo entry " + id + " is pending");
  GRIT_CHECK(append(reverted_line(id), 0));
  std::erase_if(pending_, is_it);
  return empty_if_grown();
}

Status Journal::empty_if_grown() {
  struct stat now {};
  if (::fstat(file_.get(), &now) != 0) return errno_error("fstat");
  if (!pending_.empty() || !problems_.empty() || now.st_size < kWorthEmptying_bytes) return {};
  if (::ftruncate(file_.get(), 0) != 0) return errno_error("cannot empty " + path_.string());
  return {};  // a crash before that is on disk leaves the old lines, all of which are reverted
}

Result<bool> Journal::remove_if_clean() {
  if (!pending_.empty() || !problems_.empty()) return false;
  if (::unlinkat(directory_.get(), path_.filename().c_str(), 0) != 0 && errno != ENOENT)
    return errno_error("cannot remove " + path_.string());
  if (::fsync(directory_.get()) != 0) return errno_error("cannot fsync " + directory_of(path_).string());
  return true;
}

Result<std::vector<JournalEntry>> pending(const std::filesystem::path& path) {
  GRIT_TRY(const Fd directory, open_private_directory(directory_of(path), ::geteuid()));
  GRIT_TRY(const Fd file, open_private_file(directory, path, O_RDONLY, ::geteuid()));
  GRIT_TRY(const std::string text, read_all(file.get(), kMaxJournalBytes));
  return parse_journal(text).pending;
}

std::string other_journal_directory(bool secure) {
  if (!secure) return "name a directory of yours on the node's own disk with GRIT_JOURNAL_DIR";
  return "run grit as root, whose journals lie in /var/lib/grit/journal: a program with file capabilities ignores "
         "GRIT_JOURNAL_DIR";
}

std::filesystem::path default_journal_directory() {
  const auto variable = [](const char* name) -> std::filesystem::path {
    const char* value = ::secure_getenv(name);
    return value == nullptr ? "" : value;
  };
  if (const auto chosen = variable("GRIT_JOURNAL_DIR"); !chosen.empty()) return chosen;
  if (is_root_of_the_machine()) return "/var/lib/grit/journal";
  // The XDG base directory specification: relative paths are invalid.
  if (const auto state = variable("XDG_STATE_HOME"); state.is_absolute()) return state / "grit/journal";
  auto home = variable("HOME");
  if (home.empty()) {
    const passwd* user = ::getpwuid(::getuid());
    home = user == nullptr ? "/" : user->pw_dir;
  }
  return home / ".local/state/grit/journal";
}

}  // namespace grit
