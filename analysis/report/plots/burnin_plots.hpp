// What a burn-in measured: how the nodes differ in each measure, each link beside the others, and what changed over the
// cycles.
#pragma once

#include <string>
#include <vector>

#include "analysis/report/plots/plots.hpp"
#include "harness/model/burnin.hpp"

namespace grit {

/// Nodes drawn in a matrix of pairs at most: above, the worst links are a table (worst_links()).
constexpr std::size_t kMostMatrixNodes = 128;
/// Nodes named in the plot of a measure at most, the gravest first.
constexpr std::size_t kMostNamedNodes = 8;
/// Measures whose course over the cycles is drawn at most.
constexpr std::size_t kMostDriftPlots = 30;

/// A link in one direction: its middle over visits.
struct BurninLinkFigure {
  std::string host{}, peer{};
  double value = 0;
  double worse = 0;  // than the middle of all links, a fraction of it; of a share the share itself
};
/// Of a measure between two nodes; in the order of names.
std::vector<BurninLinkFigure> link_figures(const BurninReport& report, std::string_view measure);

/// One for each measure and class of machines with figures of two nodes at least; those with a suspect first. The
/// functions throw what nlohmann::json throws when an embedded specification is broken.
std::vector<Plot> burnin_figure_plots(const BurninReport& report);
/// One for each measure of links; none when there are more than kMostMatrixNodes nodes.
std::vector<Plot> burnin_pair_plots(const BurninReport& report);

/// One for each of BurninReport::drift, those with nodes that got worse first, then those whose fleet drifted;
/// kMostDriftPlots at most.
std::vector<Plot> burnin_drift_plots(const BurninReport& report);

}  // namespace grit
