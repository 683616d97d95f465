// "Who was it" on the report page: the suspects, and what one looks at to believe it.
#pragma once

#include <string>
#include <vector>

#include "analysis/report/plots/plots.hpp"

namespace grit {

/// Cells drawn at most in the map of own work; with more steps than that a column is a block.
constexpr std::size_t kMaxCells = 6000;
/// Nodes drawn at most in the matrix of links.
constexpr std::size_t kMaxMatrixNodes = 64;

/// Own work by rank and step, arrivals, and links; those for which there is something to show. None when nobody was
/// looked for and no link was tested. Error (internal): an embedded specification is broken.
Result<std::vector<Plot>> culprit_plots(const ReportInput& input);

/// The section with its plots; empty HTML when there is nothing to say.
std::string culprit_section(const ReportInput& input, const std::vector<Plot>& plots);

}  // namespace grit
