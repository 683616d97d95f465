#include "harness/record/latest_run.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <system_error>
#include <utility>

#include "harness/record/run_dir.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLatest = "latest";

}  // namespace

void point_latest_at(const fs::path& run) {
  const fs::path directory = run.parent_path(), link = directory / kLatest;
  std::error_code failed;
  const auto there = fs::symlink_status(link, failed);
  if (fs::exists(there) && !fs::is_symlink(there)) return;
  if (!check_run_directory(directory)) return;
  const fs::path made = directory / fmt::format(".{}.{}", kLatest, ::getpid());
  fs::create_symlink(run.filename(), made, failed);
  if (failed) return;
  fs::rename(made, link, failed);
  if (failed) fs::remove(made, failed);
}

LatestLink::LatestLink(fs::path run) : run_(std::move(run)) {
  if (run_.empty()) return;
  if (const auto before = latest_run(run_.parent_path())) before_ = *before;
  point_latest_at(run_);
}

LatestLink::~LatestLink() {
  const fs::path link = run_.parent_path() / kLatest;
  std::error_code none;
  if (run_.empty() || fs::read_symlink(link, none) != run_.filename() || none) return;
  if (before_.empty())
    fs::remove(link, none);
  else
    point_latest_at(before_);
}

Result<fs::path> latest_run(const fs::path& directory) {
  std::error_code none;
  const fs::path name = fs::read_symlink(directory / kLatest, none);
  const bool beside = !none && name.has_filename() && name == name.filename() && name != ".." && name != ".";
  if (!beside || !fs::is_directory(fs::symlink_status(directory / name, none)))
    return usage_error(fmt::format("there is no latest run in {}", directory.string()));
  return directory / name;
}

}  // namespace grit
