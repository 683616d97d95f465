// The local cluster's process 1: it is the switch, it starts the nodes and mpirun, and with it everything ends.
#pragma once

#include <string>
#include <vector>

#include "harness/base/fd.hpp"
#include "harness/base/json.hpp"
#include "harness/cluster/local.hpp"

namespace grit {

/// What grit and the cluster's init say to each other over a SOCK_SEQPACKET socket. End of file means that the other is
/// gone.
namespace control {
constexpr char kStop = 'T';  // grit to init: end the job in order

Json error_message(const Error& error);
Json end_message(int job_status, bool interrupted);
/// Best effort: whoever does not hear it sees the end of file.
void send(int socket, const Json& message);
}  // namespace control

/// Called in process 1 of a new pid namespace, as root of its user namespace; `program` is this executable's path.
/// Never returns; reports an Error or the job's end through `control`.
[[noreturn]] void run_cluster_init(const LocalClusterOptions& options, const std::string& program, Fd control);

/// Closes all descriptors above standard error but one, so that no pipe of the caller's is kept open by the cluster.
void close_other_descriptors(int kept);

}  // namespace grit
