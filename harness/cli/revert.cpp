// grit revert: takes off what a run that was killed left behind on this node.
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "harness/agent/journal.hpp"
#include "harness/agent/journal_files.hpp"
#include "harness/agent/node_lock.hpp"
#include "harness/cli/commands.hpp"

namespace grit {
namespace {

struct RevertOptions {
  std::string journal{};
  std::vector<std::string> directories{};
};

/// One that cannot be read keeps nobody from the others. False: something of it is left.
bool revert_one(const std::filesystem::path& file) {
  const auto report = revert_journal(file, ::geteuid());
  if (!report) {
    fmt::print("{}: not reverted: {}\n", file.string(), report.error().message);
    return false;
  }
  fmt::print("{}: {} reverted, {} gone, {} left\n", file.string(), report->reverted, report->gone,
             report->problems.size());
  for (const std::string& problem : report->problems) fmt::print("  {}\n", problem);
  return report->problems.empty();
}

bool revert_in(const std::filesystem::path& directory) {
  const auto files = find_journals(directory);
  if (!files) {
    fmt::print("{}\n", files.error().message);
    return false;
  }
  bool all_done = true;
  for (const auto& file : files->of_this_node) all_done = revert_one(file) && all_done;
  for (const auto& file : files->of_this_boot) {
    fmt::print(
        "{}: left alone: it was written since this machine was started, but under another host name. Where that "
        "was this node: `grit revert --journal {}`\n",
        file.string(), file.string());
    all_done = false;
  }
  if (!files->others.empty())
    fmt::print("{} journals in {} are of other machines and are left alone\n", files->others.size(),
               directory.string());
  if (files->of_this_node.empty()) fmt::print("nothing to revert: no journal of this node in {}\n", directory.string());
  return all_done;
}

/// What is named must be there: of a name that is spelt wrongly nothing would be reverted, and all seem well. Only
/// grit's own directory need not be, on a node on which it has never run.
Status check_named(const RevertOptions& options) {
  std::error_code unknown;
  if (!options.journal.empty() && !std::filesystem::exists(options.journal, unknown))
    return usage_error("there is no undo journal " + options.journal);
  for (const std::string& directory : options.directories)
    if (!std::filesystem::is_directory(directory, unknown)) return usage_error("there is no directory " + directory);
  return {};
}

/// Whatever is left behind is internal (70); unavailable (69) only while a run is going on, which reverts by itself.
Result<int> revert_all(const RevertOptions& options) {
  GRIT_CHECK(check_named(options));
  // Undoing its faults under a run that is alive would only confuse its evidence.
  GRIT_TRY(const NodeLock lock, NodeLock::acquire());
  bool all_done = true;
  if (!options.journal.empty()) all_done = revert_one(options.journal);
  for (const std::string& directory : options.directories) all_done = revert_in(directory) && all_done;
  if (options.journal.empty() && options.directories.empty()) all_done = revert_in(default_journal_directory());
  return all_done ? 0 : static_cast<int>(ErrorKind::internal);
}

}  // namespace

void add_revert(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("revert", "take off what a killed run left behind on this node");
  command->footer("example: grit revert");
  auto options = std::make_shared<RevertOptions>();
  command->add_option("--journal", options->journal,
                      "one undo journal (default: all of this node's in grit's state directory)");
  command->add_option("--directory", options->directories,
                      "all of this node's in this directory; may be given several times");
  command->callback([options, &action] { action = [options] { return revert_all(*options); }; });
}

}  // namespace grit
