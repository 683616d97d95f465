// score.json (docs/schema/score.schema.json).
#pragma once

#include "analysis/score/scorecard.hpp"
#include "harness/base/json.hpp"

namespace grit {

/// What is infinite, or not known, is null.
Json to_json(const ScoreInput& input, const Scorecard& card);

}  // namespace grit
