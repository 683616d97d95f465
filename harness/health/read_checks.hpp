// Health checks read once, outside of a run: for `grit check` and for a burn-in.
#pragma once

#include <cstdint>
#include <vector>

#include "harness/health/check_output.hpp"
#include "harness/health/runner.hpp"
#include "harness/model/scenario.hpp"

namespace grit {

/// All that can be made with their defaults alone.
std::vector<ScenarioPlugin> checks_without_params();

/// Has each of `checks` read, in the order of the runner's. What an earlier call kept makes the first reading enough;
/// else what kept something is read twice, a second apart. Takes 50 s from `began_ns` on at most: what has not answered
/// by then is unknown. `earlier`: one for each check.
void read_checks(CheckRunner& runner, std::vector<CheckedOnce>& checks, const std::vector<CheckMemory>& earlier,
                 std::int64_t began_ns);

}  // namespace grit
