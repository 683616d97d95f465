// The kernel's counters of IP, TCP and UDP of a network namespace (/proc/net/snmp, snmp6 and netstat; RFC 4293).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "harness/base/result.hpp"

namespace grit {

/// By group and name, as snmp and netstat have them: "Tcp.RetransSegs", "TcpExt.TCPTimeouts". Of the calling thread's
/// network namespace; TCP over IPv4 and IPv6 together. What is no number, or a name without one, is left out.
Result<std::map<std::string, std::int64_t>> read_network_counters(const std::filesystem::path& proc = "/proc");

struct FragmentCounters {
  std::int64_t made = 0;    // FragCreates, IPv4 and IPv6: fragments of packets that were larger than the way allows
  std::int64_t failed = 0;  // FragFails: packets too large that must not be fragmented
};

/// Of the calling thread's network namespace.
Result<FragmentCounters> read_fragment_counters();

}  // namespace grit
