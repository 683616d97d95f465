// A run directory as it is read.
#pragma once

#include <filesystem>

#include "analysis/report/page/html.hpp"
#include "harness/record/run_dir.hpp"

namespace grit {

/// Its plan, step records, spans, events, clocks, links and environments; without a verdict. `steps` and `spans` must
/// outlive what they were read into. What is missing but the plan only leaves a gap. Error (usage): not a run directory, or of a newer format.
Result<ReportInput> read_run(const std::filesystem::path& directory, StepsFile& steps, CollectivesFile& spans);

}  // namespace grit
