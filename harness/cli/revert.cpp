// grit revert: takes off what a run that was killed left behind on this node.
#include <fmt/format.h>
#include <unistd.h>

#include <memory>

#include "harness/agent/journal.hpp"
#include "harness/agent/journal_files.hpp"
#include "harness/agent/node_lock.hpp"
#include "harness/cli/commands.hpp"

namespace grit {
namespace {

Result<int> revert_all(const std::string& journal) {
  // A run that is alive reverts by itself; undoing its faults under it would only confuse its evidence.
  GRIT_TRY(const NodeLock lock, NodeLock::acquire());
  JournalFiles files;
  if (!journal.empty()) {
    files.of_this_node.emplace_back(journal);
  } else {
    GRIT_TRY(files, find_journals(default_journal_directory()));
  }
  if (!files.others.empty())
    fmt::print("{} journals in {} are of other machines and are left alone\n", files.others.size(),
               default_journal_directory().string());
  if (files.of_this_node.empty()) {
    fmt::print("nothing to revert: no journal of this node in {}\n", default_journal_directory().string());
    return 0;
  }
  bool all_done = true;
  for (const auto& file : files.of_this_node) {
    GRIT_TRY(const RevertReport report, revert_journal(file, ::geteuid()));
    fmt::print("{}: {} reverted, {} gone, {} left\n", file.string(), report.reverted, report.gone,
               report.problems.size());
    for (const std::string& problem : report.problems) fmt::print("  {}\n", problem);
    all_done = all_done && report.problems.empty();
  }
  return all_done ? 0 : static_cast<int>(ErrorKind::internal);
}

}  // namespace

void add_revert(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("revert", "take off what a killed run left behind on this node");
  command->footer("example: grit revert");
  auto journal = std::make_shared<std::string>();
  command->add_option("--journal", *journal,
                      "one undo journal (default: all of this node's in grit's state directory)");
  command->callback([journal, &action] { action = [journal] { return revert_all(*journal); }; });
}

}  // namespace grit
