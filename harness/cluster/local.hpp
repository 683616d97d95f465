// The local cluster: nodes made of namespaces on this machine, joined by veths and bridges, with Open MPI
// across.
//
// grit ── supervisor (new session) ── cluster init (process 1 of a pid namespace; also the "switch" with both bridges)
//                                       ├─ node init × N (process 1 of node I: own network, mounts, host name, /proc,
//                                       /dev/shm) └─ mpirun ── its launch agent `grit enter-node HOST COMMAND...` ──
//                                       orted in the node ── rank
//
// Everything lives in the cluster init's pid namespace, so the kernel ends all of it when that process ends, and that
// process ends when grit does, however grit ends. Nothing has a name outside: no network interface, mount or file of
// the host.
//
// Output: mpirun's own words go to RUN_DIRECTORY/mpirun.log. Each rank writes straight to grit's standard output and
// error: a node's init keeps both open, and the rank's launcher takes them over with pidfd_getfd(2). So a progress line
// reaches the terminal at once and unmodified, and a rank sees whether it is one.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "harness/base/result.hpp"
#include "harness/model/topology.hpp"

namespace grit {

constexpr int kMinLocalNodes = 2;
constexpr int kMaxLocalNodes = 64;
constexpr int kMaxClusterRanks = 192;  // of all nodes together

struct LocalClusterOptions {
  int nodes = 0;
  int ranks_per_node = 1;              // ranks 0 .. ranks_per_node - 1 are on node 0, and so on
  std::vector<std::string> command{};  // what each rank runs; the program by its path or found in PATH
  /// Instead of mpirun: one command on the switch, outside of the nodes, from where it starts jobs on them by itself
  /// (make_local_launcher(), harness/cluster/job_launcher.hpp) and what else there is to do beside. `command` is then
  /// empty. Its standard output and error are grit's own, its input is empty; it lives as long as the cluster does, and
  /// what it leaves behind ends with it. An end signal reaches it as SIGTERM, SIGKILL follows after 20 s.
  std::vector<std::string> on_switch{};
  std::filesystem::path run_directory{};   // absolute, exists, not under /dev/shm (each node has its own there)
  std::vector<std::string> environment{};  // NAME=value, for every rank, over what it inherits
};

struct LocalClusterEnd {
  int job_status = 0;  // wait(2) status of mpirun (0, or the exit code of the first rank that had another) or on_switch
  bool interrupted = false;  // SIGINT, SIGTERM or SIGHUP ended the job
  std::string mpirun_log{};  // the file with what mpirun itself said; there is none with on_switch
};

/// As many nodes as this machine carries: two a core, 512 MiB each, from 2 to 8.
int default_local_nodes();

/// What discovery will find on a local cluster of so many nodes, in full: names, indices, MACs, addresses. It depends
/// on nothing but the numbers and this machine.
Topology local_topology(int nodes, int ranks_per_node = 1);

/// Error (usage): more or fewer nodes or ranks than a local cluster can have; says which option to change.
Status check_local_size(int nodes, int ranks_per_node);

/// What mpirun itself said, the last 2,000 bytes of it, to be put behind an error.
std::string words_of_mpirun(const std::filesystem::path& log);

/// True in the processes of a local cluster's job.
bool in_local_cluster();

/// Builds the cluster, runs the command on every node under mpirun, or on_switch, waits for it, and takes the cluster
/// down. After mpirun has ended, processes that are still at work in the nodes get 15 s. SIGINT, SIGTERM and SIGHUP are
/// handled meanwhile: the first ends the job in order, the second kills the cluster. Call while the process has one
/// thread.
///
/// A rank finds in its environment: GRIT_LOCAL_CLUSTER=1, GRIT_SHARED_CORES=1 (all nodes share this machine's cores)
/// and GRIT_SWITCH_NETNS (a path: the network namespace with the far ends of all veths). Variables of an MPI or a batch
/// system around grit (OMPI_*, PMIX_*, SLURM_* ...) are not passed on: they describe another cluster.
///
/// Errors: usage (number of nodes or ranks, run directory), unavailable (no mpirun; namespaces are forbidden: says
/// which setting does it), internal (the kernel refused something, or the cluster's init was killed).
Result<LocalClusterEnd> run_local_cluster(const LocalClusterOptions& options);

/// The hidden subcommand `grit enter-node HOST COMMAND...`, which mpirun starts; returns an exit code.
///   HOST a node's management address: runs COMMAND, joined by spaces, by sh in that node, as ssh would, and in the
///   control groups of the node's init: what holds for a node holds for all that is in it.
///   HOST "-": called in a node; connects standard output and error to grit's own and becomes COMMAND.
int enter_node_main(const std::vector<std::string>& arguments);

}  // namespace grit
