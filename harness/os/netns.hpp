// Work in another network namespace.
#pragma once

#include <functional>

#include "harness/base/fd.hpp"
#include "harness/base/result.hpp"

namespace grit {

/// Opens a network namespace by path (/proc/PID/ns/net or a bind mount of one).
/// Error (usage): there is none at that path.
Result<Fd> open_netns(const std::string& path);

/// Runs `work` inside a network namespace, on a thread of its own that ends with it: the caller's thread never leaves
/// its own namespace, whatever fails. Returns when it is done. Error (unavailable): it may not be entered
/// (CAP_SYS_ADMIN over it).
Status run_in_netns(int netns_fd, const std::function<Status()>& work);

}  // namespace grit
