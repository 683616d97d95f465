// The parameter that names the NICs a check looks at.
#pragma once

#include <vector>

#include "harness/model/params.hpp"
#include "harness/model/topology.hpp"

namespace grit {

ParamSpec nic_param();

/// Error (usage): the node has no such NIC.
Result<std::vector<Nic>> chosen_nics(const Node& node, const Params& params);

/// Error (usage): a NIC is named, and the node has none of that name. Without a data NIC the run goes on: its reading
/// says so.
Status has_named_nic(const Node& node, const Params& params);

}  // namespace grit
