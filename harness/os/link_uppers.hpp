// What stands on a network interface, and shares its fate when it goes down. Pure.
#pragma once

#include <vector>

#include "harness/os/netlink.hpp"

namespace grit {

struct UpperLink {
  Link link{};
  bool by_master = false;  // it is, or stands on, the master of something: a bridge, bond, team or VRF
  bool goes_down = false;  // IFF_UP is cleared with its lower interface's, and it loses routes; else only its carrier
};

/// Those among `all` (of one network namespace) that stand on the interface, and those that stand on these ...; nearest
/// first. Those in other namespaces cannot be seen.
std::vector<UpperLink> link_uppers(const std::vector<Link>& all, int ifindex);

}  // namespace grit
