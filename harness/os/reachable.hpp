// Where one process listens, and whether another reaches it by TCP.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/base/result.hpp"

namespace grit {

/// One end of a TCP connection: an IPv4 or IPv6 address in numbers, and a port.
struct Endpoint {
  std::string address{};
  int port = 0;  // 0: any free one, to listen on
};

/// "tcp://10.77.0.1:40123", "tcp://[fd00::1]:40123", or with "*" as the port where it is 0; as ZeroMQ takes them.
std::string to_string(const Endpoint& endpoint);
/// Error (usage): not of that form, or not an address in numbers.
Result<Endpoint> parse_endpoint(const std::string& text);

/// Opens a connection to each, all at once, and closes them again: for each, in their order, success or (unavailable)
/// why there was none within the time. Sends nothing.
std::vector<Status> try_to_connect(const std::vector<Endpoint>& endpoints, std::int64_t timeout_ns);

}  // namespace grit
