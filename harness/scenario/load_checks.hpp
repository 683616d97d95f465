// Lua -> the checks of a configuration file, without a scenario.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "harness/base/result.hpp"
#include "harness/model/scenario.hpp"

namespace grit {

/// A file that ends with: return { grit.check.link_up {}, ... }, read in the sandbox of scenarios. Error (usage): it is
/// not, or states something wrong: "FILE:LINE: what is wrong and the nearest valid name".
Result<std::vector<ScenarioPlugin>> load_checks(const std::filesystem::path& path);

/// The text of such a file that gives these checks, without the parameters that are as by default.
std::string checks_as_lua(const std::vector<ScenarioPlugin>& checks);

/// One label is one check. Error (usage): two have the same; says how to give one another.
Status have_own_names(const std::vector<ScenarioPlugin>& checks);

}  // namespace grit
