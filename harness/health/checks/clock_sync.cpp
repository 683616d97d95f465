#include "harness/health/checks/clock_sync.hpp"

#include <fmt/format.h>
#include <sys/timex.h>

#include "harness/health/checks/counter_window.hpp"

namespace grit {

Outcome judge_sync(const CheckInput& input, const ClockSync& sync, const std::string& daemon) {
  constexpr std::int64_t kGaveUp_us = 16'000'000;  // NTP_PHASE_LIMIT, include/linux/timex.h
  Outcome outcome{.severity = Severity::ok, .subject = "synchronization"};
  const bool unsynchronized = (sync.status & STA_UNSYNC) != 0 && sync.maxerror_us >= kGaveUp_us;
  // chronyd tells the kernel only with `rtcsync` in its configuration.
  const std::int64_t long_ns = held_ns(input.memory, "unsynchronized", unsynchronized && daemon != "chronyd");
  if ((sync.status & STA_UNSYNC) != 0) {
    outcome.detail = daemon == "chronyd"
                         ? "chronyd does not tell the kernel how right the clock is"
                         : fmt::format("nothing has synchronized the clock for at least {} s{}", long_ns / kNsPerS,
                                       daemon.empty() ? "" : ", though " + daemon + " runs");
    const std::int64_t limit_ns = input.params.integer("unsynchronized_after");
    if (limit_ns > 0 && long_ns >= limit_ns) {
      outcome.severity = Severity::warning;
      outcome.hint = "chronyc tracking, timedatectl timesync-status, ntpq -p";
    }
    return outcome;
  }
  const double error_s = static_cast<double>(sync.maxerror_us) / 1e6;
  const double limit_s = static_cast<double>(input.params.integer("maxerror")) / kNsPerS;
  outcome.severity = judge_at_least(error_s, limit_s, 0);
  outcome.value = error_s, outcome.unit = "s";
  outcome.detail = fmt::format("synchronized, wrong by {:.3f} s at most", error_s);
  if ((sync.status & (STA_INS | STA_DEL)) != 0) {
    outcome.severity = Severity::warning;
    outcome.detail += ", with a leap second at the end of the day";
  }
  return outcome;
}

}  // namespace grit
