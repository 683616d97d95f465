// What tells this machine, boot and namespace from every other: an undo record of one is never applied to another.
#pragma once

#include <string>

#include "harness/base/result.hpp"

namespace grit {

/// The kernel's random identifier of this boot (/proc/sys/kernel/random/boot_id).
Result<std::string> boot_id();

/// Root, and not of a user namespace: only the machine's first one maps all of root's numbers onto themselves. True for
/// root in a container without a user namespace of its own.
bool is_root_of_the_machine();

/// In the machine's first user namespace, whose root is root of the machine; true as well on a kernel without them.
bool in_first_user_namespace();

/// "DEVICE:INODE" of a network namespace (namespaces(7)). Inodes are used again once a namespace is gone: compare
/// something of what lives in it as well.
Result<std::string> netns_id(int netns_fd);
/// Of the network namespace of the calling thread.
Result<std::string> netns_id();

/// Not in a container with a pid namespace of its own: all of the machine's processes can be seen.
bool in_first_pid_namespace();

/// "DEVICE:INODE" of the pid namespace of this process: a pid of another one names another process, or none.
Result<std::string> pidns_id();

/// machine-id(5): tells one machine, over all of its boots, from others. Empty: this system has none.
std::string machine_id();

/// Where a namespace is, as far as it can be seen from here.
struct NamespaceSearch {
  std::string path{};    // by which it can be entered, nsenter(1): /proc/7/ns/net, /run/netns/x; empty: not found
  std::string unseen{};  // why it may exist all the same; empty: all there is was looked at
  /// It was looked for everywhere and is nowhere.
  [[nodiscard]] bool gone() const { return path.empty() && unseen.empty(); }
};

/// Looks for a namespace ("net" or "pid") by its "DEVICE:INODE" among all processes, what they have open (of a network
/// namespace also sockets that were made in it) and what is mounted. Only root in the machine's first pid and user
/// namespace sees all of these. Not looked for: what the kernel alone keeps, such as a mount of NFS made in it, a
/// descriptor under way between two processes, a mount in a mount namespace without processes.
NamespaceSearch find_namespace(const std::string& kind, const std::string& id);

}  // namespace grit
