// The parameter that names the NICs a check looks at, and a look at each of them.
#pragma once

#include <functional>
#include <vector>

#include "harness/health/outcome.hpp"
#include "harness/model/params.hpp"
#include "harness/model/topology.hpp"
#include "harness/os/netlink.hpp"

namespace grit {

ParamSpec nic_param();

/// What it names on this node; none when it has no data NIC at all. Error (usage): it names a NIC that is not there.
Result<std::vector<Nic>> chosen_nics(const Node& node, const Params& params);

/// Those, and what they stand on, in the order of their names: for what only a bond's ports have, interrupts and
/// counters of their own, or what a bond hides, that it lost one. A port that discovery did not see up is left out: it
/// has nothing to lose. Error: as chosen_nics().
Result<std::vector<Nic>> chosen_nics_and_lower(const Node& node, const Params& params);

/// What is said of each NIC's link as it is now; critical of one that is gone; of none that there is no data NIC.
/// Error: the kernel does not answer.
Result<std::vector<Outcome>> look_at_links(const std::vector<Nic>& nics,
                                           const std::function<Outcome(const Nic&, const Link&)>& judge);

}  // namespace grit
