#include "harness/cli/find_run.hpp"

#include <fmt/format.h>

#include "harness/base/printable.hpp"
#include "harness/base/shortened.hpp"
#include "harness/record/latest_run.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRuns = "runs";

/// Of all scenarios; their directories are named after the UTC time at which they began, so names tell which is newest.
Result<fs::path> latest_of_all() {
  std::error_code unreadable;
  fs::path newest;
  for (auto entry = fs::directory_iterator(kRuns, unreadable); !unreadable && entry != fs::directory_iterator();
       entry.increment(unreadable)) {
    const auto latest = latest_run(entry->path());
    if (latest && latest->filename() > newest.filename()) newest = *latest;
  }
  if (newest.empty()) return usage_error("there is no run in runs/ here; name the directory of one");
  return newest;
}

}  // namespace

Result<std::string> find_run(const std::string& given) {
  std::error_code unreadable;
  if (!given.empty() && (given.find('/') != std::string::npos || fs::exists(given, unreadable))) return given;
  const auto found = given.empty() ? latest_of_all() : latest_run(fs::path(kRuns) / given);
  if (!found && given.empty()) return tl::make_unexpected(found.error());
  if (!found)
    return usage_error(
        fmt::format("there is no directory {0}, and no latest run of a scenario {0} in runs/ here", shortened(given)));
  fmt::print(stderr, "grit: {}\n", printable(found->string()));
  return found->string();
}

}  // namespace grit
