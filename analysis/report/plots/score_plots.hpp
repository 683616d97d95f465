// From which size on is damage seen? One small plot for each fault that was tried at several.
#pragma once

#include <vector>

#include "analysis/report/plots/plots.hpp"
#include "analysis/score/scorecard.hpp"

namespace grit {

/// At most so many checks a plot: those that find most.
constexpr std::size_t kDetectionLines = 5;

/// Throws what nlohmann::json throws when the embedded specification is broken.
std::vector<Plot> detection_plots(const ScoreInput& input, const Scorecard& card);

}  // namespace grit
