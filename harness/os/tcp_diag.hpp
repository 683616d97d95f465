// TCP connections as the kernel sees them (sock_diag(7), linux/inet_diag.h), for what no interface counts: the size and
// number of the segments a connection has sent. An interface counts what TCP hands it, which may be many segments at
// once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/base/result.hpp"

namespace grit {

struct TcpConnection {
  std::string local{};  // address
  std::string remote{};
  std::int64_t pmtu_bytes = 0;  // of the path, as the connection knows it now
  std::int64_t mss_bytes = 0;
  std::int64_t data_segments_sent = 0;
  std::int64_t retransmits = 0;
};

/// Those of the calling thread's network namespace that are established. Error (unavailable): the kernel has no
/// inet_diag.
Result<std::vector<TcpConnection>> tcp_connections();

}  // namespace grit
