#include "harness/run/set_aside.hpp"

#include <fmt/format.h>

namespace grit {
namespace {

constexpr const char* kCutOff = ".cut-off-";

}  // namespace

Status set_aside(const std::filesystem::path& directory) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (!fs::exists(directory, error)) return {};
  for (int number = 1; number < 1000; ++number) {
    fs::path aside = directory;
    aside += fmt::format("{}{}", kCutOff, number);
    if (fs::exists(aside, error)) continue;
    fs::rename(directory, aside, error);
    break;
  }
  if (error) return internal_error(fmt::format("cannot set {} aside: {}", directory.string(), error.message()));
  return {};
}

bool is_set_aside(const std::filesystem::path& directory) {
  return directory.filename().string().find(kCutOff) != std::string::npos;
}

}  // namespace grit
