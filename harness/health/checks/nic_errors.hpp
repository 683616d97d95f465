// What an interface counted since the last reading, judged; apart from asking the kernel, for tests of what no
// interface here counts.
#pragma once

#include <string>

#include "harness/health/check_memory.hpp"
#include "harness/health/outcome.hpp"
#include "harness/model/params.hpp"
#include "harness/os/netlink.hpp"

namespace grit {

Outcome judge_link_counters(const std::string& nic, const Link& link, const Params& params, CheckMemory& memory);

}  // namespace grit
