// The settings of an interface, held against what they were; apart from asking the kernel, for tests of what no
// interface here has.
#pragma once

#include <optional>
#include <string>

#include "harness/health/check_memory.hpp"
#include "harness/health/outcome.hpp"
#include "harness/model/params.hpp"
#include "harness/model/topology.hpp"
#include "harness/os/ethtool.hpp"

namespace grit {

struct LinkSettings {
  std::int64_t mtu_bytes = 0;
  bool has_carrier = false;           // without it there is neither speed nor duplex
  std::int64_t speed_bits_per_s = 0;  // 0: the driver tells none
  std::optional<Duplex> duplex{};     // none: unknown
  std::string driver{};               // empty: unknown
};

/// `nic` as discovery found it.
Outcome judge_link_settings(const Nic& nic, const LinkSettings& now, const Params& params, CheckMemory& memory);

}  // namespace grit
