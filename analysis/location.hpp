// Where a job became slower between two days: a rank, a node, or everywhere; and in which phase.
//
// In a synchronized step all ranks take equally long, and a rank that became slow shows as its own work having grown
// while the others wait longer for it. So: of every rank the growth of its own work less the median growth of the
// other ranks'. Where the largest such excess makes up at least half of the step's shift, it is that rank, or its node
// when the node's other ranks have it too. Otherwise the growth is common, and the phase that grew most says of what
// kind. The half is the design's rule for a culprit; medians, so that one odd rank does not move its peers'
// norm.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analysis/compared_run.hpp"

namespace grit {

struct Location {
  std::string text{};    // "node2 (rank 2): backward +12 ms a step more than on its peers, 94 % of the shift"
  int node = -1;         // -1: everywhere
  int rank = -1;         // -1: all ranks of the node, or everywhere
  std::string phase{};   // the phase that grew most there, one of kStepPhases
  double growth_ns = 0;  // of that phase a step, beyond its peers; below 0 when steps became shorter
  double share = 0;      // of the shift of a step that the rank, node or phase makes up
};

/// Mean over the runs of each rank's phases, by rank; ranks that are not in every run are left out.
std::vector<RankPhases> mean_phases(std::span<const ComparedRun> runs);

/// `before` and `after` by rank (mean_phases). Empty when they have no ranks in common or nothing changed.
std::optional<Location> locate(const std::vector<RankPhases>& before, const std::vector<RankPhases>& after,
                               const Topology& topology);

}  // namespace grit
