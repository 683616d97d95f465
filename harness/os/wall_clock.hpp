// The machine's wall clock (CLOCK_REALTIME) against the time since boot, and steps of it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "harness/base/fd.hpp"
#include "harness/base/result.hpp"

namespace grit {

/// CLOCK_REALTIME minus CLOCK_BOOTTIME (CLOCK_MONOTONIC that counts suspends as well), ns. It changes only when
/// somebody steps the wall clock: a frequency set by NTP moves both alike (clock_getres(2)). Read between two readings
/// of the other clock, the closest of some tries.
std::int64_t wall_clock_origin_ns();

/// Why this process may not set the machine's clock; nothing when it may. Changes nothing.
std::optional<std::string> why_no_clock_setting();

/// The unit of a time daemon that runs here ("chronyd"), by the names of processes; empty: none that is seen.
std::string running_time_daemon(const std::filesystem::path& proc = "/proc");

/// The same, of the process whose directory this is.
std::string time_daemon_in(const std::filesystem::path& process);

/// What else sets or slews this machine's clock, in words, with what to stop; nothing when nothing does. By the names
/// of its processes; in a container, which does not see these, by the kernel, for which a clock that a daemon keeps
/// right counts as synchronized (adjtimex(2)).
std::optional<std::string> what_keeps_the_clock(const std::filesystem::path& proc = "/proc");
/// What the kernel's status and remaining correction (timex::offset) say of that.
std::optional<std::string> what_disciplines_the_kernel(int status, std::int64_t offset, bool all_processes_seen);

/// Adds to the wall clock at once: ADJ_SETOFFSET, adjtimex(2). Error (unavailable): not permitted.
Status step_wall_clock(std::int64_t by_ns);

/// Counts steps of the wall clock as the kernel announces them (TFD_TIMER_CANCEL_ON_SET, timerfd_create(2)).
class ClockStepWatch {
 public:
  static Result<ClockStepWatch> open();
  /// Since open(); several between two calls count as one.
  std::int64_t steps();

 private:
  Fd timer_{};
  std::int64_t steps_ = 0;
  Status arm();
};

}  // namespace grit
