// A veth pair whose interface indices are chosen by the caller, so that two clusters made alike look alike.
#pragma once

#include <string>

#include "harness/base/result.hpp"

namespace grit {

/// One end: its name, MAC ("02:00:00:00:00:01"), index in its network namespace, and that namespace (-1: the caller's).
struct NumberedVethEnd {
  std::string name;
  std::string mac;
  int ifindex = 0;
  int netns_fd = -1;
};

/// Makes the pair by one RTM_NEWLINK, rtnetlink(7), VETH_INFO_PEER of linux/veth.h. `here` is in the caller's network
/// namespace. Errors: unavailable without CAP_NET_ADMIN; internal with the kernel's reason (a name or an index is taken
/// ...).
Status create_numbered_veth(const NumberedVethEnd& here, const NumberedVethEnd& there);

}  // namespace grit
