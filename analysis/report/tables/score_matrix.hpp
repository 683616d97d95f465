// The matrices of a scorecard's page: number and colour, hatched where it is no more than chance.
#pragma once

#include <string>

#include "analysis/score/scorecard.hpp"

namespace grit {

/// Damage by check, with what each check costs below it, and below that the checks that could not look. Damage of which
/// no injection is proven has the reason instead of figures. Of more than kMatrixRows kinds of damage a fault has one
/// row, its worst kind, and all are in a second table that is folded away.
std::string score_matrix(const ScoreInput& input, const Scorecard& card);
constexpr std::size_t kMatrixRows = 40;

/// Check by check, those that found something: what the column's found of what the row's did. Empty: fewer than two.
std::string co_firing_matrix(const ScoreInput& input, const Scorecard& card);

}  // namespace grit
