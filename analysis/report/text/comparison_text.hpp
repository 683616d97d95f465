// A comparison as the terminal shows it.
#pragma once

#include <filesystem>
#include <string>

#include "analysis/compare/compare.hpp"
#include "analysis/compare/trend.hpp"

namespace grit {

/// A few lines of plain text, each ended, as terminal_summary(): the answer, the sentence, both sides, where, how the
/// machines differ, notes, and where the page is (empty: there is none).
std::string comparison_text(const Comparison& comparison, const std::filesystem::path& page);

/// Likewise, of a series.
std::string trend_text(const Trend& trend, const std::filesystem::path& page);

/// "node0, node2", "all nodes".
std::string nodes_text(const EnvironmentDifference& difference, const std::vector<std::string>& node_names);

}  // namespace grit
