// Which NIC a fault's parameter `nic` means; for all faults that act on one.
#pragma once

#include <string>

#include "harness/base/result.hpp"
#include "harness/model/params.hpp"
#include "harness/model/topology.hpp"

namespace grit {

/// The parameter, with all that choose_nics() takes; for InjectorInfo::params.
ParamSpec fault_nic_param();

/// The NIC that choose_nics() names, the first of several. Error (usage): there is none; lists the node's NICs with
/// their roles.
Result<std::string> resolve_nic(const Node& node, const std::string& nic);

/// "; RDMA of mlx5_0 goes past it" for the mechanism of a fault that acts on the kernel's own packets only, where the
/// NIC has RDMA; else nothing.
std::string past_rdma(const Node& node, const Params& params);

/// The same, for a fault that acts on the interface: an InfiniBand NIC's RDMA goes on without it, that of an Ethernet
/// NIC (RoCE) does not, for want of its address.
std::string past_infiniband(const Node& node, const Params& params);

}  // namespace grit
