// The parameter that names the NICs a check looks at.
#pragma once

#include <vector>

#include "harness/model/params.hpp"
#include "harness/model/topology.hpp"

namespace grit {

ParamSpec nic_param();

/// What it names on this node; none when it has no data NIC at all. Error (usage): it names a NIC that is not there.
Result<std::vector<Nic>> chosen_nics(const Node& node, const Params& params);

}  // namespace grit
