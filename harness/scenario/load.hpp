// Lua -> Scenario. The only way a scenario file is read; Lua ends here (docs/scenarios.md).
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "harness/base/result.hpp"
#include "harness/model/scenario.hpp"

namespace grit {

/// Evaluates a scenario file in a sandbox (harness/scenario/sandbox.hpp) and checks everything in it against the
/// registries of faults, workloads and checks. `overrides` are the --set NAME=VALUE of the command line. Error (usage):
/// the file cannot be read, is not a scenario, or states something wrong: "FILE:LINE: what is wrong and the nearest
/// valid name". No Lua state and no exception outlives the call.
Result<Scenario> load_scenario(const std::filesystem::path& path,
                               const std::vector<std::pair<std::string, std::string>>& overrides);

}  // namespace grit
