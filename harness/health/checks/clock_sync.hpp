// What the kernel knows of how right its clock is (adjtimex(2)), and what that means.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "harness/health/check.hpp"

namespace grit {

struct ClockSync {
  int status = 0;                // STA_UNSYNC, STA_INS ...
  std::int64_t maxerror_us = 0;  // the most it can be wrong by; 16 s: the kernel gave up
  std::int64_t up_ns = 0;        // for how long the machine runs
};

/// `daemon`: the time daemon that was seen; "": there is none; empty: it is still looked for. Takes
/// "unsynchronized_after" and "maxerror" from the check's parameters.
Outcome judge_sync(const CheckInput& input, const ClockSync& sync, const std::optional<std::string>& daemon);

}  // namespace grit
