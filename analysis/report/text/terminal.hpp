// The verdict as the terminal shows it at the end of a run.
#pragma once

#include <filesystem>
#include <string>

#include "harness/model/verdict.hpp"

namespace grit {

/// A few lines of plain text, each ended: name and verdict, what is emulated, the sentence, evidence for each fault,
/// checks, expectations, reasons, and where the report is. No escape sequences: it reads the same in a log.
std::string terminal_summary(const Verdict& verdict, const std::filesystem::path& run_directory);

}  // namespace grit
