// Acting upon a journal: for `grit revert`, and for an agent that takes over from one that died.
#include <fmt/format.h>

#include "harness/agent/journal_access.hpp"
#include "harness/os/identity.hpp"
#include "harness/os/reverted.hpp"
#include "injectors/injector.hpp"

namespace grit {
namespace {

/// Where "here" is.
struct Place {
  std::string machine{};
  std::string boot_id{};
  std::string netns{};
  std::string pidns{};
};

Result<Place> here_and_now() {
  Place here{.machine = machine_id()};
  GRIT_TRY(here.boot_id, boot_id());
  GRIT_TRY(here.netns, netns_id());
  GRIT_TRY(here.pidns, pidns_id());
  return here;
}

/// The machine has been started anew, or the namespace has ended, and with it all that the kernel knew.
Result<Reverted> gone_with(const std::string& what, const Injector& injector) {
  if (!injector.info().outlives_reboot) return Reverted::gone;
  return internal_error(
      fmt::format("{} since, but what {} changes may outlive that. It was not acted upon; look at the node yourself, "
                  "then delete the journal",
                  what, injector.info().name));
}

Result<Reverted> of_another_boot(const JournalEntry& entry, const Injector& injector, const Place& here) {
  if (here.machine.empty() || entry.machine != here.machine)
    return unavailable_error(
        "it is of another machine, or of one that cannot be told from others (it has no /etc/machine-id): run `grit "
        "revert` there");
  return gone_with("the machine has been started anew", injector);
}

/// Whether a namespace of the entry has ended. Error (unavailable): it lives, or may live; then only there can the
/// fault be reverted.
Result<bool> has_ended(const std::string& kind, const std::string& id, const std::string& here) {
  if (id == here) return false;
  const std::string name = kind == "net" ? "network" : kind;
  const NamespaceSearch search = find_namespace(kind, id);
  if (search.gone()) return true;
  if (!search.path.empty())
    return unavailable_error(
        fmt::format("it was applied in another {} namespace. Revert it there: nsenter --{}={} grit revert", name, kind,
                    search.path));
  return unavailable_error(fmt::format(
      "it was applied in another {} namespace, which may still exist where it cannot be seen from here: {}. Run `grit "
      "revert` there, or as root of the machine outside of containers",
      name, search.unseen));
}

Result<Reverted> revert_entry(const JournalEntry& entry, const Place& here) {
  const Injector* injector = find_injector(entry.injector);
  if (injector == nullptr)
    return usage_error(
        fmt::format("this grit has no fault called {}: use the grit that wrote the journal", entry.injector));
  if (auto valid = injector->check_undo(entry.undo); !valid)
    return usage_error(valid.error().message +
                       ". It was not acted upon; look at the node yourself, then delete the journal");
  if (entry.boot_id != here.boot_id) return of_another_boot(entry, *injector, here);
  if (!injector->is_machine_wide_record(entry.undo)) {
    GRIT_TRY(const bool netns_ended, has_ended("net", entry.netns, here.netns));
    GRIT_TRY(const bool pidns_ended, has_ended("pid", entry.pidns, here.pidns));
    if (netns_ended || pidns_ended) return gone_with("its namespace has ended", *injector);
  }
  return injector->revert(entry.undo);
}

}  // namespace

Result<RevertReport> revert_journal(const std::filesystem::path& path, uid_t expected_owner_uid) {
  GRIT_TRY(Journal journal, JournalAccess::open_existing(path, expected_owner_uid));
  GRIT_TRY(const Place here, here_and_now());
  RevertReport report;
  report.problems = JournalAccess::problems(journal);
  const std::vector<JournalEntry> entries = journal.pending();
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
    const auto done = revert_entry(*entry, here);
    Status journalled = done ? journal.append_reverted(entry->id) : tl::make_unexpected(done.error());
    if (done) ++(*done == Reverted::gone ? report.gone : report.reverted);
    if (!journalled)
      report.problems.push_back(fmt::format("{} ({}): {}", entry->id, entry->injector, journalled.error().message));
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
      const bool ours = injector != nullptr && injector->check_undo(entry->undo) &&
                        injector->is_machine_wide_record(entry->undo) && entry->boot_id == *here;
      if (ours && !(injector->revert(entry->undo) && journal->append_reverted(entry->id))) done = false;
    }
  }
  return done;
}

}  // namespace grit
