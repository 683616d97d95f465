// Which port of a bond carries the traffic (modes active-backup, balance-tlb and balance-alb), in the network namespace
// of the calling thread.
#pragma once

#include "harness/base/result.hpp"

namespace grit {

/// The active port's index; 0: there is none, the mode has none, or this is no bond (any more).
Result<int> bond_active_port(int bond_ifindex);

/// Error: the port has no carrier (as seen by the bond, which looks every `miimon` milliseconds), is none of the
/// bond's ...
Status set_bond_active_port(int bond_ifindex, int port_ifindex);

}  // namespace grit
