// What a killed local cluster does not take with it.
//
// When grit is killed the kernel takes the cluster's namespaces down, and nearly all that faults did to them. Control
// groups are the machine's, though. This process stands outside, and takes off what the journals of such faults
// (InjectorInfo::machine_wide) still have in force once grit and all of the cluster have ended. It also removes the
// checkpoints that the killed grit would have removed at the end of its run.
#pragma once

#include <sys/types.h>

#include <filesystem>

#include "harness/base/fd.hpp"
#include "harness/base/result.hpp"

namespace grit {

class ClusterKeeper {
 public:
  /// To be started before the cluster: it wakes when grit has died, or the object goes. `checkpoints`: a directory that
  /// goes when grit has died; it need not exist.
  static Result<ClusterKeeper> start(const std::filesystem::path& journal_directory,
                                     const std::filesystem::path& checkpoints);

  ClusterKeeper(ClusterKeeper&& other) noexcept;
  ClusterKeeper& operator=(ClusterKeeper&&) = delete;
  ClusterKeeper(const ClusterKeeper&) = delete;
  ClusterKeeper& operator=(const ClusterKeeper&) = delete;
  ~ClusterKeeper();
  /// The cluster has ended: waits until the keeper has as well. False: what faults changed of the whole machine could
  /// not be taken off.
  [[nodiscard]] bool end();

 private:
  ClusterKeeper(pid_t pid, Fd pipe) : pid_(pid), pipe_(std::move(pipe)) {}
  pid_t pid_ = -1;
  Fd pipe_;
};

}  // namespace grit
