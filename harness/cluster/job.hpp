// mpirun on the local cluster, or the command on its switch, from its start until nothing is left to wait for.
#pragma once

#include <sys/types.h>

#include <vector>

#include "harness/base/result.hpp"
#include "harness/cluster/local.hpp"

namespace grit {

struct JobEnd {
  int status = 0;  // wait(2) status of what was started
  bool interrupted = false;
};

/// Runs in the cluster's init. node_inits: processes that are not waited for. signals: a signalfd of SIGCHLD, SIGTERM,
/// SIGINT, which are blocked. Returns once mpirun has ended and the nodes are quiet, or 15 s later; of a command on the
/// switch, once it has ended. When `control` is
/// at its end of file grit is gone: the process exits at once, and the cluster with it. Error (unavailable): mpirun did
/// not get a rank going on every node, within launch_timeout_ns() or before it ended; with mpirun's last words.
Result<JobEnd> run_job(const LocalClusterOptions& options, const std::vector<pid_t>& node_inits, int control,
                       int signals);

}  // namespace grit
