// The end of a run, however it came: from the files of its directory to verdict.json, junit.xml and report.html.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "analysis/report/export/trace.hpp"
#include "analysis/verdict/restarts.hpp"
#include "harness/base/result.hpp"
#include "harness/model/verdict.hpp"

namespace grit {

/// Reads plan.json, steps.npy, events.jsonl, clock.json, links.jsonl, run.json and env/*.json, judges, and writes
/// verdict.json, then junit.xml and report.html, durably; run.json gets the verdict and the outcome. May be called
/// again at any time: the same files give the same verdict. Missing records, events or environments are an early end of
/// the run, not an error. Of a run with Design::restarts the later attempts are finished before it. Error (usage): not
/// a run directory (no readable plan.json), or a steps.npy that is none.
/// Error (internal): it cannot be written to; verdict.json is written first, so that a report that fails does not take
/// the verdict with it.
Result<Verdict> finish_run(const std::filesystem::path& run_directory);

/// How an attempt of a run with Design::restarts has ended, from its files; writes nothing. Errors as of finish_run().
Result<AttemptEnd> attempt_end(const std::filesystem::path& attempt_directory);

/// Would the run, if it stopped before this block, have shown what its scenario asks, or that it cannot be shown: a
/// verdict other than inconclusive, a fault that never took effect, or one that may still be in force? Writes nothing.
/// Errors as of finish_run().
Result<bool> is_clear_before(const std::filesystem::path& run_directory, int block);

/// What else can be made of a run, on request.
struct Exports {
  std::optional<std::filesystem::path> csv_directory{};
  std::optional<std::filesystem::path> trace_file{};
  StepRange trace_steps{};
};

/// Writes the files asked for from those of a run directory that finish_run() has finished. Returns a line on each, for
/// people. Errors: as of finish_run(), write_csv() and write_trace().
Result<std::vector<std::string>> export_run(const std::filesystem::path& run_directory, const Exports& exports);

/// The same for a series of trials: from series.json (harness/model/series.hpp) to its verdict.json, junit.xml and
/// report.html.
Result<Verdict> finish_series(const std::filesystem::path& series_directory);

/// A series has a table of its trials to export. Error (usage): a trace is asked for, which only a trial has.
Result<std::vector<std::string>> export_series(const std::filesystem::path& series_directory, const Exports& exports);

}  // namespace grit
