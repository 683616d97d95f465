// The scenarios that grit comes with, found by name: `grit run link_flap`.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "harness/base/result.hpp"

namespace grit {

/// Scenario files (but lib/, which is for editors) of the directories in GRIT_SCENARIOS (separated by colons), then of
/// share/grit/scenarios beside the program's own directory, or of the source tree when it runs where it was built.
/// Sorted by name; of two with the same name the first found counts.
std::vector<std::filesystem::path> shipped_scenarios();

/// The file that is meant: `given` when there is such a file or it names a path, else the shipped scenario of that
/// name, with or without ".lua". Error (usage): there is neither, with the nearest name.
Result<std::filesystem::path> find_scenario(const std::string& given);

}  // namespace grit
