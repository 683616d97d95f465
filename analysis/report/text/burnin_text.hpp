// A burn-in as the terminal shows it.
#pragma once

#include <filesystem>
#include <string>

#include "harness/model/burnin.hpp"

namespace grit {

/// One line without its end, at most `width` characters: "links 7 of 12 cells, 6 good 1 suspect 1 bad, 2 min left".
std::string burnin_progress_line(const BurninProgress& progress, std::size_t width);

/// The table: nodes that are not good with their reasons, then counts, bad links and groups, the error rate that is
/// claimed, and where page and files are.
std::string burnin_text(const BurninReport& report, const std::filesystem::path& directory);

}  // namespace grit
