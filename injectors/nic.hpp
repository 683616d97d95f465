// Which NIC a fault's parameter `nic` means; for all faults that act on one.
#pragma once

#include <string>

#include "harness/base/result.hpp"
#include "harness/model/topology.hpp"

namespace grit {

/// The NIC that choose_nics() names, the first of several. Error (usage): there is none; lists the node's NICs with
/// their roles.
Result<std::string> resolve_nic(const Node& node, const std::string& nic);

}  // namespace grit
