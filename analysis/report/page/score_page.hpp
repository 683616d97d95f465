// The page of a scorecard: do the health checks catch it? For somebody who has one minute.
#pragma once

#include <optional>
#include <string>

#include "analysis/score/demand.hpp"
#include "harness/base/result.hpp"

namespace grit {

/// Self-contained like the page of a run (analysis/report/page/html.hpp). `demand`: what was asked of the scorecard, if
/// anything, and what came of it.
Result<std::string> render_score_html(const ScoreInput& input, const Scorecard& card,
                                      const std::optional<DemandResult>& demand = std::nullopt);

}  // namespace grit
