// What tells this boot and this network namespace from every other: an undo record of one is never applied to another.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "harness/base/result.hpp"

namespace grit {

/// The kernel's random identifier of this boot (/proc/sys/kernel/random/boot_id).
Result<std::string> boot_id();

/// "DEVICE:INODE" of a network namespace (namespaces(7)). Inodes are used again once a namespace is gone: compare
/// something of what lives in it as well.
Result<std::string> netns_id(int netns_fd);
/// Of the network namespace of the calling thread.
Result<std::string> netns_id();

/// A process of this user that lives in a network namespace; empty: none that can be seen from here.
Result<std::optional<pid_t>> find_process_in_netns(const std::string& id);

}  // namespace grit
