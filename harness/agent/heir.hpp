// Who takes faults off when nobody is left in the job who could: a batch system that ends a job kills everything in the
// job's control group at once, the rank whose thread watches the agent, too; one that suspends a job stops them all.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

#include "harness/base/result.hpp"
#include "harness/record/segment.hpp"

namespace grit {

/// A process that sleeps until its agent is gone, or a fault is in force that should long have been off. It is not in
/// the job's control groups where it may leave them: the agent stays, so that what a fault takes stays within the job's
/// limits. It has its memory locked, as the agent has.
class Heir {
 public:
  /// Forks it, as a child of the agent, which is the caller; call while the process has one thread. When the agent is
  /// gone, and with it the node's first rank, or for 5 s nobody has taken over (a rank that is stopped starts no other
  /// agent), it reverts the journals of this node in that directory and ends; when another agent has taken over it
  /// ends. When a lease (NodeControl::lease_deadline_ns) is overdue for 3 s, so that neither the agent nor the rank's
  /// thread, which acts after one, has seen to it, it kills the agent, writes NodeControl::still_since_ns, and reverts
  /// and ends, too. Error (internal): it cannot be forked, or did not answer within 5 s.
  static Result<Heir> fork(const std::filesystem::path& journal_directory, const Segment& segment);

  Heir(Heir&& other) noexcept;
  Heir& operator=(Heir&& other) noexcept;
  Heir(const Heir&) = delete;
  Heir& operator=(const Heir&) = delete;
  ~Heir();  // ends it: the agent has taken its faults off itself

  [[nodiscard]] pid_t pid() const { return pid_; }
  /// The text of its /proc/PID/cgroup, after it has left what it could: for ends_with_the_job().
  [[nodiscard]] const std::string& cgroups() const { return cgroups_; }

 private:
  explicit Heir(pid_t pid) : pid_(pid) {}
  pid_t pid_ = -1;
  std::string cgroups_{};
};

}  // namespace grit
