// A scorecard as the terminal shows it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "analysis/score/demand.hpp"

namespace grit {

/// Some lines of plain text, each ended: what was asked, the sentence, what was missed, a line for each fault,
/// damage of which no injection is proven, the smallest set, checks that say nothing, and where the page is (empty:
/// there is none).
std::string score_text(const ScoreInput& input, const Scorecard& card, const std::optional<DemandResult>& demand,
                       const std::filesystem::path& page);

}  // namespace grit
