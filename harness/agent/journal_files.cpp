#include "harness/agent/journal_files.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "harness/os/identity.hpp"

namespace grit {
namespace {

/// HOST@MACHINE@BOOT of a file name. None of the three has an '@' or a '/' in it.
struct Owner {
  std::string host{};
  std::string machine{};  // empty: cannot be told
  std::string boot{};
};

Owner this_node() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  Owner owner{.host = name, .machine = machine_id(), .boot = boot_id().value_or(std::string())};
  for (char& letter : owner.host)
    if (letter == '@' || letter == '/') letter = '_';
  return owner;
}

std::optional<Owner> owner_in(const std::string& file_name) {
  Owner owner;
  std::size_t at = 0;
  for (std::string* part : {&owner.host, &owner.machine, &owner.boot}) {
    const auto end = file_name.find('@', at);
    if (end == std::string::npos) return std::nullopt;
    *part = file_name.substr(at, end - at);
    at = end + 1;
  }
  return owner;
}

bool is_of_boot(const Owner& here, const Owner& owner) { return !here.boot.empty() && owner.boot == here.boot; }

bool may_be_of(const Owner& here, const Owner& owner) {
  if (owner.host != here.host) return false;
  if (is_of_boot(here, owner)) return true;
  return !here.machine.empty() && owner.machine == here.machine;
}

}  // namespace

std::filesystem::path journal_file(const std::filesystem::path& directory, const Plan& plan, int node) {
  const Owner here = this_node();
  return directory / fmt::format("{}@{}@{}@{}-{}-node{}.jsonl", here.host, here.machine, here.boot, plan.scenario_name,
                                 plan.seed, node);
}

Result<JournalFiles> find_journals(const std::filesystem::path& directory) {
  const Owner here = this_node();
  JournalFiles files;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.ends_with(".jsonl")) continue;
    const auto owner = owner_in(name);
    if (owner && may_be_of(here, *owner))
      files.of_this_node.push_back(entry->path());
    else
      (owner && is_of_boot(here, *owner) ? files.of_this_boot : files.others).push_back(entry->path());
  }
  if (error && error != std::errc::no_such_file_or_directory)
    return internal_error("cannot look for undo journals in " + directory.string() + ": " + error.message());
  std::sort(files.of_this_node.begin(), files.of_this_node.end());
  std::sort(files.of_this_boot.begin(), files.of_this_boot.end());
  return files;
}

}  // namespace grit
