// Where a job became slower between two days: a rank, a node, or everywhere; and in which phase.
//
// In a synchronized step all ranks take equally long, and a rank that became slow shows as its own work having grown
// while the others wait longer for it. So: of every rank and run its own work beyond what the median of its peers makes
// likely; and of every rank how much more that is in the new runs than in the old ones, its excess. A rank is named
// when its excess makes up at least half of the step's shift (the design's rule for a culprit) and is more than chance
// gives the luckiest of all ranks:
//   - The largest of many, and runs that wander: analysis/stats/largest_shift.hpp. At least 3 + 3 runs are needed.
//   - Peers may be unequal machines. A common change may add the same time to all of them, or the same share of their
//     work: a rank must stand out either way.
// No rank named and the middle rank's own work grown by at least half of the shift: everywhere. No rank named, and none
// whose excess can be half of the shift: everywhere, by waiting. Else it cannot be told.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/compare/compared_run.hpp"

namespace grit {

struct Location {
  enum class Where { place, everywhere, unknown };
  Where where = Where::unknown;
  std::string text{};    // "node2 (rank 2): backward +12 ms a step more than on its peers, 94 % of the shift"
  int node = -1;         // -1: not one place
  int rank = -1;         // -1: all ranks of the node, or not one place
  std::string phase{};   // the phase that grew most there, one of kStepPhases; empty: unknown
  double growth_ns = 0;  // of that phase a step, beyond its peers; below 0 when steps became shorter
  double share = 0;      // of the shift of a step that the rank, node or phase makes up
};
std::string_view to_string(Location::Where where);  // "place", "everywhere", "unknown"

/// Mean over the runs of each rank's phases, by rank; ranks that are not in every run are left out.
std::vector<RankPhases> mean_phases(std::span<const ComparedRun> runs);

/// Empty when the runs have no ranks in common or nothing changed. `went_with`: what the machines went through more of
/// in the new runs, as a part of a sentence; empty: nothing.
std::optional<Location> locate(std::span<const ComparedRun> before, std::span<const ComparedRun> after,
                               const Topology& topology, const std::string& went_with = {});

}  // namespace grit
