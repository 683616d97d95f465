#include "harness/cli/shipped_scenarios.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "harness/base/shortened.hpp"
#include "harness/base/units.hpp"
#include "harness/os/trusted_path.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

/// Of the CMake build directory `build`; empty when it is none, or when another user could have written its cache.
fs::path source_of(const fs::path& build, uid_t owner) {
  constexpr std::string_view kSource = "CMAKE_HOME_DIRECTORY:INTERNAL=";
  const fs::path file = build / "CMakeCache.txt";
  std::error_code unreadable;
  if (!is_trusted_path(build, owner) || !is_trusted_path(file, owner) || !fs::is_regular_file(file, unreadable))
    return {};
  std::ifstream cache(file);
  for (std::string line; std::getline(cache, line);)
    if (line.starts_with(kSource)) return line.substr(kSource.size());
  return {};
}

/// Those that whoever runs grit names, and those that belong to the program. Its owner decides what it does anyhow; a
/// directory in which others can write, who may have put a scenario there for root to run, is passed over.
std::vector<fs::path> directories() {
  std::vector<fs::path> all;
  if (const char* given = ::secure_getenv("GRIT_SCENARIOS")) {
    for (std::string_view rest = given; !rest.empty();) {
      const auto colon = std::min(rest.find(':'), rest.size());
      if (colon > 0) all.emplace_back(rest.substr(0, colon));
      rest.remove_prefix(std::min(colon + 1, rest.size()));
    }
  }
  std::error_code unknown;
  const fs::path program = fs::read_symlink("/proc/self/exe", unknown);
  struct stat found {};
  if (program.empty() || ::stat("/proc/self/exe", &found) != 0) return all;
  const fs::path directory = program.parent_path();
  for (const fs::path& root : {source_of(directory, found.st_uid), directory.parent_path() / "share" / "grit"})
    if (!root.empty() && is_trusted_path(root / "scenarios", found.st_uid)) all.push_back(root / "scenarios");
  return all;
}

/// Folders that hold something else: what editors read, and configurations of burn-ins.
constexpr std::string_view kLibrary = "lib", kBurnins = "burnin";

void add_files(const fs::path& directory, std::vector<fs::path>& files) {
  std::error_code unreadable;
  std::vector<fs::path> here;
  const auto options = fs::directory_options::skip_permission_denied;
  for (auto entry = fs::recursive_directory_iterator(directory, options, unreadable);
       !unreadable && entry != fs::recursive_directory_iterator(); entry.increment(unreadable)) {
    if (const fs::path name = entry->path().filename(); name == kLibrary || name == kBurnins)
      entry.disable_recursion_pending();
    if (std::error_code gone; entry->path().extension() == ".lua" && entry->is_regular_file(gone))
      here.push_back(entry->path());
  }
  std::sort(here.begin(), here.end());
  for (fs::path& file : here) {
    const auto same = [&](const fs::path& one) { return one.stem() == file.stem(); };
    if (std::none_of(files.begin(), files.end(), same)) files.push_back(std::move(file));
  }
}

void sort_by_name(std::vector<fs::path>& files) {
  std::sort(files.begin(), files.end(), [](const fs::path& a, const fs::path& b) { return a.stem() < b.stem(); });
}

/// `given` when it is a file's name, else the one of `files` that is called so. `what`: "scenario"; `listing`: how to
/// see all.
Result<fs::path> find_file(const std::string& given, std::vector<fs::path> files, std::string_view what,
                           std::string_view listing) {
  std::error_code unreadable;
  const fs::path path = given;
  const bool is_file_name = path.extension() == ".lua";
  if (given.find('/') != std::string::npos || (is_file_name && fs::is_regular_file(path, unreadable))) return path;
  const std::string name = is_file_name ? path.stem().string() : given;
  std::vector<std::string> names;
  for (fs::path& file : files) {
    if (file.stem() == name) return std::move(file);
    names.push_back(file.stem().string());
  }
  const std::string near = nearest_name(name, names);
  return usage_error(
      fmt::format("there is no {0} file {1}, and none of that name comes with grit{2}; {3}{4}", what, shortened(given),
                  near.empty() ? "" : fmt::format("; did you mean {}?", near), listing,
                  fs::exists(path, unreadable) ? fmt::format(", and the file here is ./{}", shortened(given)) : ""));
}

}  // namespace

std::vector<fs::path> shipped_scenarios() {
  std::vector<fs::path> files;
  for (const fs::path& directory : directories()) add_files(directory, files);
  sort_by_name(files);
  return files;
}

std::vector<fs::path> shipped_burnins() {
  std::vector<fs::path> files;
  for (const fs::path& directory : directories()) add_files(directory / kBurnins, files);
  sort_by_name(files);
  return files;
}

Result<fs::path> find_scenario(const std::string& given) {
  return find_file(given, shipped_scenarios(), "scenario", "`grit list scenarios` shows those");
}

Result<fs::path> find_burnin(const std::string& given) {
  return find_file(given, shipped_burnins(), "burn-in", "`grit list scenarios` shows those, too");
}

}  // namespace grit
