// The parameter that names the NICs a check looks at.
#pragma once

#include <vector>

#include "harness/model/params.hpp"
#include "harness/model/topology.hpp"

namespace grit {

ParamSpec nic_param();

/// What it names on this node; none when it has no data NIC at all. Error (usage): it names a NIC that is not there.
Result<std::vector<Nic>> chosen_nics(const Node& node, const Params& params);

/// Those, and what they stand on, in the order of their names: for what only a bond's ports have, interrupts and
/// counters of their own, or what a bond hides, that it lost one. A port that discovery did not see up is left out: it
/// has nothing to lose. Error: as chosen_nics().
Result<std::vector<Nic>> chosen_nics_and_lower(const Node& node, const Params& params);

}  // namespace grit
