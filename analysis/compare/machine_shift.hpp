// Did the machines go through something that goes with a change of the step time? Their loads of two groups of runs,
// with the luckiest of all machines and kinds accounted for (analysis/stats/largest_shift.hpp): at most one comparison
// in 20 shows a load where none changed.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "analysis/compare/machine_load.hpp"
#include "harness/base/json.hpp"

namespace grit {

struct MachineShift {
  int node = 0;          // the machine's first one
  std::size_t kind = 0;  // place in kLoadKinds
  double before = 0;     // means over the runs
  double after = 0;
  double p = 1;        // that some load of some machine differs as much by chance
  bool shown = false;  // p is 0.05 at most, and the difference is worth a word
};

/// Of every machine and load that all runs know: those shown first, then by p. `slower`: more load explains it; else
/// less of it does. `places`: of all runs, the old ones first, in order of time.
std::vector<MachineShift> machine_shifts(std::span<const MachineLoads> before, std::span<const MachineLoads> after,
                                         std::span<const std::size_t> places, bool slower);

/// "node1: CPUs that other processes kept busy 0.02 → 0.31 (p = 0.014)".
std::string shift_text(const MachineShift& shift, const std::vector<std::string>& node_names);

/// Of those shown, the first ones, as a part of a sentence; empty: none is.
std::string shown_text(std::span<const MachineShift> shifts, const std::vector<std::string>& node_names);

Json to_json(std::span<const MachineShift> shifts);

}  // namespace grit
