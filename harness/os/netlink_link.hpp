// RTM_NEWLINK / RTM_DELLINK as a Link; shared by netlink*.cpp only.
#pragma once

#include <linux/netlink.h>

#include "harness/os/netlink.hpp"

namespace grit::rtnl {

Link parse_link(const nlmsghdr& message);

}  // namespace grit::rtnl
