// Where the agents of all nodes meet the recorder: node 0 has several addresses, and which of them the other nodes
// reach is not written anywhere. So the recorder listens on all, and every node tries.
#pragma once

#include <string>
#include <vector>

#include "harness/model/topology.hpp"
#include "harness/run/job.hpp"

namespace grit {

/// Where the recorder should listen, as RecorderSocket::bind() takes it: on each address of the management interfaces
/// of node 0, in their order; the loopback when there is only one node. `port` 0: any free one on each. Error
/// (unavailable): there is no such address; says what to do.
Result<std::vector<std::string>> recorder_endpoints(const Topology& topology, int port);

/// What a node found when it tried the endpoints, in their order: empty where a connection was made, else why not.
struct EndpointTrial {
  std::string node{};
  std::vector<std::string> why_not{};
};

/// Tries them from this node, all at once, 2 s at most.
EndpointTrial try_endpoints(const std::vector<std::string>& endpoints);

/// The first endpoint that all nodes reach. Error (unavailable): there is none; says for each which nodes do not reach
/// it, and what to do.
Result<std::string> choose_endpoint(const std::vector<std::string>& endpoints, const std::vector<EndpointTrial>& nodes);

/// The same of all nodes of the job, of which each first rank says what it has found. Collective; every rank gets the
/// same.
Result<std::string> agree_on_endpoint(const Job& job, const std::vector<std::string>& endpoints,
                                      const EndpointTrial& mine);

}  // namespace grit
