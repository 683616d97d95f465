// The figures of a run, a series or a comparison as CSV files, for a spreadsheet or a notebook.
#pragma once

#include <filesystem>
#include <string>

#include "analysis/compare/compare.hpp"
#include "analysis/compare/trend.hpp"
#include "analysis/report/run_data.hpp"
#include "analysis/score/scorecard.hpp"
#include "harness/model/series.hpp"

namespace grit {

/// A text as RFC 4180 wants it: in quotes where it must be.
std::string csv_field(const std::string& text);

/// Writes to the directory, which is made if it is not there: steps.csv (one row a step, over its ranks), blocks.csv,
/// pairs.csv (also those that do not count, which it says), phases.csv (one row a rank and kind of block), windows.csv
/// (one row a fault and fault block that began), operations.csv (one row an operation, axis, size and kind of block),
/// faults.csv and checks.csv (the verdict's, of all nodes).
/// Names of columns end in their unit; seconds count from the run's first step (TimeAxis). RFC 4180: lines end in CR
/// LF, texts are quoted where they must be. Error (internal): it cannot be written.
Status write_csv(const ReportInput& input, const RunData& data, const std::filesystem::path& directory);

/// Likewise trials.csv: a row a trial.
Status write_csv(const Series& series, const std::filesystem::path& directory);

/// Likewise score.csv: a row for each check and each kind of damage, in one file, then one for each kind that was not
/// run. Shares are 0 .. 1. Column damage is what scenarios call it; names that do the same are joined by semicolons.
Status write_csv(const ScoreInput& input, const Scorecard& card, const std::filesystem::path& file);

/// A row a run that was compared, in one file.
Status write_csv(const Comparison& comparison, const std::filesystem::path& file);
/// A row a run, or a block, in their order.
Status write_csv(const Trend& trend, const std::filesystem::path& file);

}  // namespace grit
