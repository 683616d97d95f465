// The two ends of one stream of an ethernet_flood, each a worker's body.
#pragma once

#include <optional>
#include <string>

#include "injectors/worker.hpp"

namespace grit {

struct FloodStream {
  std::string source{};  // numeric addresses, both IPv4 or both IPv6
  std::string destination{};
  int port = 0;
  std::string device{};  // of this end
  bool udp = false;
  bool offload = true;               // see why_no_offload()
  std::int64_t rate_bits_per_s = 0;  // of payload; 0: as fast as it goes
  std::int64_t packet_bytes = 0;     // UDP payload
  std::size_t counter = 0;           // of the worker's page: payload bytes acknowledged (TCP), sent (UDP), received
};

/// Connects while it is idle and again when the connection is lost; sends once it was started.
void flood_send(const FloodStream& stream, WorkerPage& page);
/// Listens while it is idle; takes and drops what comes once it was started.
void flood_receive(const FloodStream& stream, WorkerPage& page);

/// "offload": TCP by sendfile(2) from one piece of memory, received by recv(MSG_TRUNC), which drops without copying
/// (tcp(7)); UDP by UDP_SEGMENT and UDP_GRO (udp(7)), received by MSG_TRUNC. Why it does not work here, if it does not.
std::optional<std::string> why_no_offload(bool udp);
/// Error (unavailable): this port of this address cannot be had.
Status try_flood_port(const FloodStream& stream);

}  // namespace grit
