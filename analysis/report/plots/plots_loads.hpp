// Step times in order of time, and below them, on the same axis, what the machines went through.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "analysis/compare/compare.hpp"
#include "analysis/compare/trend.hpp"
#include "analysis/report/plots/plots.hpp"

namespace grit {

/// Of both sides, in the order in which the runs began where that is known, else the old ones first.
Plot loads_plot(const Comparison& comparison);

/// Of a series, whose changes are marked.
Plot loads_plot(const Trend& trend);

}  // namespace grit
