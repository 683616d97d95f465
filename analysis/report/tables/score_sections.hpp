// The parts of a scorecard's page that are words and tables.
#pragma once

#include <optional>
#include <string>

#include "analysis/score/demand.hpp"

namespace grit {

std::string score_headline(const ScoreInput& input, const Scorecard& card, const std::optional<DemandResult>& demand);
/// What nobody noticed, the costliest first; and what was noticed too late or somewhere else.
std::string missed_section(const ScoreInput& input, const Scorecard& card);
std::string cover_section(const ScoreInput& input, const Scorecard& card);
/// From which size on, by check and fault; empty: no fault was tried at several sizes.
std::string visibility_table(const ScoreInput& input, const Scorecard& card);
/// What was asked for and not run, with the reason; empty: nothing.
std::string not_run_section(const ScoreInput& input);
std::string unproven_section(const ScoreInput& input, const Scorecard& card);
/// Everything with its interval, folded away; and how to read it.
std::string score_numbers(const ScoreInput& input, const Scorecard& card);

}  // namespace grit
