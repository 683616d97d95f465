// The front end of a burn-in: launches cells, waits for them, writes the log, shows how far it is, writes the outputs.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "harness/burnin/log.hpp"

namespace grit {

struct BurninCommand {
  BurninHead head{};
  std::filesystem::path directory{};  // of burnin.jsonl, cells/, burnin.json, burnin.html ...
  bool resumes = false;
  bool json = false;                       // burnin.json on standard output, nothing else
  bool applies_drain = false;              // runs the drain commands at the end
  std::filesystem::path save_reference{};  // of one that is resumed, instead of what its head says
};

/// Makes the directory, which must be a new one, and the log's first line. Error (usage): it exists already, with a
/// burn-in in it or without; or root would write where others can (create_run_directory(), harness/record/run_dir.hpp).
Status prepare_burnin_directory(const BurninCommand& command);

/// Real hosts, or called within the switch of the local cluster (head.launcher "local"). SIGINT, SIGTERM and SIGHUP:
/// running cells are ended within 20 s, the log stays as it is, exit code 130. Returns the exit code of the report.
/// Error (unavailable): no cell can be started any more, on no node (UnstartedCells), or an allocation of Slurm's that
/// it needs is not around this process; the log stays as it was before.
Result<int> run_burnin(const BurninCommand& command);

/// Makes the local cluster and runs `grit burnin-in-switch DIRECTORY` there, which reads the log's head; gives on its
/// exit code. The cluster lives as long as the burn-in, so that what is wrong with a node stays wrong.
Result<int> run_burnin_on_local_cluster(const BurninCommand& command);

}  // namespace grit
