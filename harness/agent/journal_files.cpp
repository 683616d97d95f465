#include "harness/agent/journal_files.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

namespace grit {
namespace {

std::string host_prefix() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  return std::string(name) + ".";
}

}  // namespace

std::filesystem::path journal_file(const std::filesystem::path& directory, const Plan& plan, int node) {
  return directory / fmt::format("{}{}-{}-node{}.jsonl", host_prefix(), plan.scenario_name, plan.seed, node);
}

Result<std::vector<std::filesystem::path>> journals_of_this_node(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  const std::string prefix = host_prefix();
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with(prefix) && name.ends_with(".jsonl")) files.push_back(entry->path());
  }
  if (error && error != std::errc::no_such_file_or_directory)
    return internal_error("cannot look for undo journals in " + directory.string() + ": " + error.message());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace grit
