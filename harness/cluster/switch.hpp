// The network of the local cluster: two bridges in the cluster init's network namespace, two veths a node.
#pragma once

#include <sys/types.h>

#include "harness/base/result.hpp"

namespace grit {

/// Makes the bridges in the calling process's network namespace. The data bridge has no address: it is a switch and no
/// more.
Status build_switch();

/// Joins the node whose init is `pid` to both bridges and gives it its addresses.
Status connect_node(int node, pid_t pid);

/// Whether this kernel has IPv6; without it the nodes get IPv4 addresses only.
bool ipv6_available();

}  // namespace grit
