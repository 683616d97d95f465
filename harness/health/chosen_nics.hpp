// The parameter that names the NICs a check looks at.
#pragma once

#include <vector>

#include "harness/model/params.hpp"
#include "harness/model/topology.hpp"

namespace grit {

ParamSpec nic_param();

/// Error (usage): the node has no such NIC.
Result<std::vector<Nic>> chosen_nics(const Node& node, const Params& params);

}  // namespace grit
