// Can one node open a TCP connection to another?
#pragma once

#include <cstdint>
#include <string>

#include "harness/base/fd.hpp"
#include "harness/base/result.hpp"

namespace grit {

struct ListeningSocket {
  Fd fd{};  // connections to it succeed as long as it is open; nothing is read from them
  int port = 0;
};

/// Error (unavailable): this machine does not have the address, an IPv4 or IPv6 one in numbers.
Result<ListeningSocket> listen_on(const std::string& address);

/// Connects and closes again. Error (unavailable): refused, or no answer within the time.
Status try_to_connect(const std::string& address, int port, std::int64_t timeout_ns);

}  // namespace grit
