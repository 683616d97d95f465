#include "harness/health/checks/clock_sync.hpp"

#include <fmt/format.h>
#include <sys/timex.h>

namespace grit {

Outcome judge_sync(const CheckInput& input, const ClockSync& sync, const std::optional<std::string>& daemon) {
  constexpr std::int64_t kGaveUp_us = 16'000'000;  // NTP_PHASE_LIMIT, include/linux/timex.h
  Outcome outcome{.severity = Severity::ok, .subject = "synchronization"};
  if ((sync.status & STA_UNSYNC) != 0) {
    const bool has_daemon = daemon && !daemon->empty();
    outcome.detail = daemon == "chronyd" ? "chronyd does not tell the kernel how right the clock is"
                                         : fmt::format("nothing synchronizes the clock{}",
                                                       has_daemon ? ", though there is " + *daemon : "");
    // The kernel gives up some nine hours after the last synchronization, or has had none since the machine was
    // started. chronyd tells it only with `rtcsync` in its configuration.
    const bool has_given_up = sync.maxerror_us >= kGaveUp_us && daemon && daemon != "chronyd";
    const std::int64_t limit_ns = input.params.integer("unsynchronized_after");
    if (has_given_up && limit_ns > 0 && sync.up_ns >= limit_ns) {
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
