// The scenarios and configurations of burn-ins that grit comes with, found by name: `grit run link_flap`, `grit burnin
// --config quick`.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "harness/base/result.hpp"

namespace grit {

/// Scenario files (but lib/, which is for editors, and burnin/) of the directories in GRIT_SCENARIOS (separated by
/// colons), then of the source tree when the program runs where it was built, and of share/grit/scenarios beside its
/// own directory: unless anybody but root, this user and the program's owner can change what is there
/// (is_trusted_path()). Sorted by name; of two with the same name the first found counts.
std::vector<std::filesystem::path> shipped_scenarios();

/// The same of the folders burnin/ of these directories, which hold configurations of burn-ins.
std::vector<std::filesystem::path> shipped_burnins();

/// The file that is meant: `given` when it has a "/", or ends in ".lua" and there is such a file, else the shipped
/// scenario of that name, with or without ".lua": a plain name never means what happens to lie in the working
/// directory. Error (usage): there is neither, with the nearest name.
Result<std::filesystem::path> find_scenario(const std::string& given);
/// The same among the configurations of burn-ins.
Result<std::filesystem::path> find_burnin(const std::string& given);

}  // namespace grit
