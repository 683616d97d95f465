// Does a plan that was made earlier fit the nodes of today?
#pragma once

#include <string>
#include <vector>

#include "harness/model/topology.hpp"

namespace grit {

/// A plan holds what was settled for its nodes: names of devices, addresses and ports of peers. One line for each node
/// that is another one now: by name, ranks, or the names and addresses of the data and management NICs it had (roles
/// may change: they also depend on where the run directory lies). Empty: the plan fits.
std::vector<std::string> node_differences(const Topology& planned, const Topology& here);

/// The same by the names of the nodes alone, for what is planned anew on them.
std::vector<std::string> name_differences(const Topology& earlier, const Topology& here);

}  // namespace grit
