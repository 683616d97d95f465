#include "harness/cli/shipped_scenarios.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "harness/base/shortened.hpp"
#include "harness/base/units.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

/// Of the CMake build directory `build`; empty when it is none.
fs::path source_of(const fs::path& build) {
  constexpr std::string_view kSource = "CMAKE_HOME_DIRECTORY:INTERNAL=";
  std::ifstream cache(build / "CMakeCache.txt");
  for (std::string line; std::getline(cache, line);)
    if (line.starts_with(kSource)) return line.substr(kSource.size());
  return {};
}

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
  const fs::path program = fs::read_symlink("/proc/self/exe", unknown).parent_path();
  if (program.empty()) return all;
  all.push_back(program.parent_path() / "share" / "grit" / "scenarios");
  if (const fs::path source = source_of(program); !source.empty()) all.push_back(source / "scenarios");
  return all;
}

void add_files(const fs::path& directory, std::vector<fs::path>& files) {
  std::error_code unreadable;
  std::vector<fs::path> here;
  for (auto entry = fs::recursive_directory_iterator(directory, unreadable);
       !unreadable && entry != fs::recursive_directory_iterator(); entry.increment(unreadable)) {
    if (entry->path().filename() == "lib") entry.disable_recursion_pending();
    if (std::error_code gone; entry->path().extension() == ".lua" && entry->is_regular_file(gone))
      here.push_back(entry->path());
  }
  std::sort(here.begin(), here.end());
  for (fs::path& file : here) {
    const auto same = [&](const fs::path& one) { return one.stem() == file.stem(); };
    if (std::none_of(files.begin(), files.end(), same)) files.push_back(std::move(file));
  }
}

}  // namespace

std::vector<fs::path> shipped_scenarios() {
  std::vector<fs::path> files;
  for (const fs::path& directory : directories()) add_files(directory, files);
  std::sort(files.begin(), files.end(), [](const fs::path& a, const fs::path& b) { return a.stem() < b.stem(); });
  return files;
}

Result<fs::path> find_scenario(const std::string& given) {
  std::error_code unreadable;
  const fs::path path = given;
  if (given.find('/') != std::string::npos || fs::is_regular_file(path, unreadable)) return path;
  const std::string name = path.extension() == ".lua" ? path.stem().string() : given;
  std::vector<std::string> names;
  for (fs::path& file : shipped_scenarios()) {
    if (file.stem() == name) return std::move(file);
    names.push_back(file.stem().string());
  }
  const std::string near = nearest_name(name, names);
  return usage_error(
      fmt::format("there is no scenario file {}, and none of that name comes with grit{}; `grit list scenarios` "
                  "shows those",
                  shortened(given), near.empty() ? "" : fmt::format("; did you mean {}?", near)));
}

}  // namespace grit
