// The kernel's IP counters of a network namespace (/proc/net/snmp and snmp6; RFC 4293).
#pragma once

#include <cstdint>

#include "harness/base/result.hpp"

namespace grit {

struct FragmentCounters {
  std::int64_t made = 0;    // FragCreates, IPv4 and IPv6: fragments of packets that were larger than the way allows
  std::int64_t failed = 0;  // FragFails: packets too large that must not be fragmented
};

/// Of the calling thread's network namespace.
Result<FragmentCounters> read_fragment_counters();

}  // namespace grit
