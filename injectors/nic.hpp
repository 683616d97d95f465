// Which NIC a fault's parameter `nic` means; for all faults that act on one.
#pragma once

#include <string>

#include "harness/base/result.hpp"
#include "harness/model/topology.hpp"

namespace grit {

/// "data": the node's first NIC of role data; anything else: the NIC of that name, whatever its role (the guard rails
/// see to that). Error (usage): there is none; lists the node's NICs with their roles.
Result<std::string> resolve_nic(const Node& node, const std::string& nic);

}  // namespace grit
