// A run's figures as CSV files, for a spreadsheet or a notebook.
#pragma once

#include <filesystem>

#include "analysis/report/run_data.hpp"

namespace grit {

/// Writes to the directory, which is made if it is not there: steps.csv (one row a step, over its ranks), blocks.csv,
/// pairs.csv, phases.csv (one row a rank and kind of block), windows.csv (one row a fault and fault block that began).
/// Names of columns end in their unit; seconds count from the run's first step (TimeAxis). RFC 4180: lines end in CR
/// LF, texts are quoted where they must be. Error (internal): it cannot be written.
Status write_csv(const ReportInput& input, const RunData& data, const std::filesystem::path& directory);

}  // namespace grit
