// Whether the job uses the NICs of its node that faults act on: a fault on one without traffic slows nothing.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "harness/model/plan.hpp"
#include "harness/os/netlink.hpp"

namespace grit {

/// What each data and management NIC of a node has sent and received since it exists, by name.
using NicBytes = std::map<std::string, std::int64_t>;

/// What the kernel does not tell, of a NIC that is gone for example, is left out.
NicBytes read_nic_bytes(Netlink& netlink, const Node& node);

struct IdleNic {
  std::string nic{};
  std::int64_t bytes = 0;       // that it carried
  std::int64_t node_bytes = 0;  // and all NICs of the node
};

/// Those of the node's NICs with a fault that carried less than 1 % of what its NICs carried between two readings
/// without a fault. None where that was less than 1 MB: no job's traffic, whose gradients are larger, but what a node's
/// services have to say. Nor of a NIC with RDMA, whose bytes go past the interface's counters.
std::vector<IdleNic> idle_nics(const Plan& plan, int node, const NicBytes& before, const NicBytes& after);

}  // namespace grit
