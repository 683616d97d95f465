// The end of a run, however it came: from the files of its directory to verdict.json and report.html.
#pragma once

#include <filesystem>

#include "harness/base/result.hpp"
#include "harness/model/verdict.hpp"

namespace grit {

/// Reads plan.json, steps.npy, events.jsonl, run.json and env/*.json, judges, and writes verdict.json, then
/// report.html, durably; run.json gets the verdict and the outcome. May be called again at any time: the same files
/// give the same verdict. Missing records, events or environments are an early end of the run, not an error. Error
/// (usage): not a run directory (no readable plan.json), or a steps.npy that is none. Error (internal): it cannot be
/// written to; verdict.json is written first, so that a report that fails does not take the verdict with it.
Result<Verdict> finish_run(const std::filesystem::path& run_directory);

}  // namespace grit
