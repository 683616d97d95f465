// Acting upon a journal: for `grit revert`, and for an agent that takes over from one that died.
#include <fmt/format.h>

#include "harness/agent/journal_access.hpp"
#include "harness/os/identity.hpp"
#include "injectors/injector.hpp"

namespace grit {
namespace {

/// Where "here" is.
struct Place {
  std::string boot_id{};
  std::string netns{};
};

/// A fault of another network namespace can only be reverted there, as long as that namespace lives.
Status check_namespace(const JournalEntry& entry, const Place& here) {
  if (entry.netns == here.netns) return {};
  GRIT_TRY(const auto pid, find_process_in_netns(entry.netns));
  if (!pid) return {};
  return unavailable_error(fmt::format(
      "it was applied in another network namespace, that of process {}. Revert it there: nsenter -t {} -n grit revert",
      *pid, *pid));
}

Status revert_entry(const JournalEntry& entry, const Place& here) {
  const Injector* injector = find_injector(entry.injector);
  if (injector == nullptr)
    return usage_error(
        fmt::format("this grit has no fault called {}: use the grit that wrote the journal", entry.injector));
  if (auto valid = injector->check_undo(entry.undo); !valid)
    return usage_error(valid.error().message +
                       ". It was not acted upon; look at the node yourself, then delete the journal");
  if (entry.boot_id != here.boot_id) return {};  // nothing a fault does outlives a reboot
  GRIT_CHECK(check_namespace(entry, here));
  GRIT_CHECK(injector->revert(entry.undo));
  return {};
}

}  // namespace

Result<RevertReport> revert_journal(const std::filesystem::path& path, uid_t expected_owner_uid) {
  GRIT_TRY(Journal journal, JournalAccess::open_existing(path, expected_owner_uid));
  Place here;
  GRIT_TRY(here.boot_id, boot_id());
  GRIT_TRY(here.netns, netns_id());
  RevertReport report;
  report.problems = JournalAccess::problems(journal);
  const std::vector<JournalEntry> entries = journal.pending();
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
    Status done = revert_entry(*entry, here);
    if (done) {
      ++report.reverted;
      done = journal.append_reverted(entry->id);
    }
    if (!done) report.problems.push_back(fmt::format("{} ({}): {}", entry->id, entry->injector, done.error().message));
  }
  if (report.problems.empty()) GRIT_CHECK(journal.remove_if_clean());
  return report;
}

bool revert_machine_wide(const std::filesystem::path& directory, uid_t expected_owner_uid) {
  const auto here = boot_id();
  bool done = here.has_value();
  std::error_code error;
  for (std::filesystem::directory_iterator file(directory, error), end; here && !error && file != end;
       file.increment(error)) {
    auto journal = JournalAccess::open_existing(file->path(), expected_owner_uid);
    if (!journal) {
      done = false;
      continue;
    }
    const std::vector<JournalEntry> entries = journal->pending();
    for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
      const Injector* injector = find_injector(entry->injector);
      const bool ours = injector != nullptr && injector->info().machine_wide && injector->check_undo(entry->undo) &&
                        entry->boot_id == *here;
      if (ours && !(injector->revert(entry->undo) && journal->append_reverted(entry->id))) done = false;
    }
  }
  return done;
}

}  // namespace grit
