// One run a node at a time: two would disturb each other's step times and could fight over the same link.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "harness/base/fd.hpp"
#include "harness/base/result.hpp"

namespace grit {

/// How long a run that is at its end may take to let go: mpirun can return before the agents that it has ended do, and
/// always does where it dies of an aborted job itself. 0.3 s was seen.
constexpr std::int64_t kEarlierRunEnds_ns = 2'000'000'000;

/// Held as long as the object lives; the kernel lets go of it with the process, however that ends. Nobody but the same
/// user can hold it in one's way:
///   root of the machine   flock(2) on /run/grit/lock, in a directory of root's own: all of the machine
///                         (from a container: when the host's /run/grit is mounted there)
///   another user          the same in $XDG_RUNTIME_DIR/grit or, without one, beside the user's undo journals
///   on a node of the local cluster   a name in its network namespace (unix(7)), into which nobody else gets
class NodeLock {
 public:
  /// Tries again for so long while it is held: by a run that ends, or somebody who reverts. Errors: unavailable,
  /// another run holds it (names its process), or the lock's file cannot be made; usage, what lies in its place is not
  /// to be trusted.
  static Result<NodeLock> acquire(std::int64_t patience_ns = kEarlierRunEnds_ns);

  /// Why grit in another container of this machine might run at the same time: what belongs to the machine (its clock,
  /// interrupts, disks) must then be left alone. Nothing when nobody can.
  [[nodiscard]] std::optional<std::string> why_not_machine_wide() const;

  NodeLock(NodeLock&&) = default;
  NodeLock& operator=(NodeLock&&) = delete;
  NodeLock(const NodeLock&) = delete;
  NodeLock& operator=(const NodeLock&) = delete;
  /// Takes the lock's file away as well, unless this is a child of the process that took it.
  ~NodeLock();

 private:
  explicit NodeLock(Fd lock) : lock_(std::move(lock)) {}
  static Result<NodeLock> try_to_acquire();
  static Result<NodeLock> of_network_namespace();
  static Result<NodeLock> in_directory(const std::filesystem::path& path, const std::string& name);

  Fd lock_;
  Fd directory_{};  // of the file; none for a name in the network namespace
  std::string name_{};
  bool machine_wide_ = true;
  pid_t holder_ = 0;
};

}  // namespace grit
