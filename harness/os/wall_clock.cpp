#include "harness/os/wall_clock.hpp"

#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <limits>

#include "harness/base/clock.hpp"
#include "harness/base/files.hpp"
#include "harness/os/capability.hpp"
#include "harness/os/identity.hpp"

namespace grit {
namespace {

constexpr int kTries = 16;
constexpr std::int64_t kFarAhead_s = 10LL * 365 * 24 * 3600;

/// Names as /proc/PID/comm has them (at most 15 bytes), and the units that start them.
constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kTimeDaemons{
    {{"chronyd", "chronyd"},
     {"ntpd", "ntpd"},
     {"ntp-daemon", "ntpd-rs"},
     {"systemd-timesyn", "systemd-timesyncd"},
     {"ptp4l", "ptp4l"},
     {"phc2sys", "phc2sys"},
     {"ts2phc", "ts2phc"},
     {"timemaster", "timemaster"}}};

std::int64_t now_ns(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return now.tv_sec * kNsPerS + now.tv_nsec;
}

}  // namespace

std::int64_t wall_clock_origin_ns() {
  std::int64_t best_ns = std::numeric_limits<std::int64_t>::max(), origin_ns = 0;
  for (int i = 0; i < kTries; ++i) {
    const std::int64_t before_ns = now_ns(CLOCK_BOOTTIME);
    const std::int64_t wall_ns = now_ns(CLOCK_REALTIME);
    const std::int64_t after_ns = now_ns(CLOCK_BOOTTIME);
    if (after_ns - before_ns >= best_ns) continue;
    best_ns = after_ns - before_ns;
    origin_ns = wall_ns - before_ns - best_ns / 2;
  }
  return origin_ns;
}

std::optional<std::string> why_no_clock_setting() {
  if (has_capability(CAP_SYS_TIME) && in_first_user_namespace()) return std::nullopt;
  return "setting the clock takes CAP_SYS_TIME in the machine's first user namespace: run as root, in a container with "
         "that capability";
}

std::optional<std::string> what_disciplines_the_kernel(int status, std::int64_t offset, bool all_processes_seen) {
  if ((status & (STA_PLL | STA_FLL)) != 0 && offset != 0)
    return "the kernel is still correcting the clock for a time daemon: stop that and wait until the correction is "
           "done";
  if (!all_processes_seen && (status & STA_UNSYNC) == 0)
    return "the machine's clock counts as synchronized, so a time daemon runs outside of this container: stop it";
  return std::nullopt;
}

std::string time_daemon_in(const std::filesystem::path& process) {
  auto name = read_file(process / "comm", 64);
  if (!name) return "";
  while (!name->empty() && name->back() == '\n') name->pop_back();
  for (const auto& [known, unit] : kTimeDaemons)
    if (*name == known) return std::string(unit);
  return "";
}

std::string running_time_daemon(const std::filesystem::path& proc) {
  std::error_code error;
  for (std::filesystem::directory_iterator entry(proc, error), end; !error && entry != end; entry.increment(error))
    if (std::string daemon = time_daemon_in(entry->path()); !daemon.empty()) return daemon;
  return "";
}

std::optional<std::string> what_keeps_the_clock(const std::filesystem::path& proc) {
  if (const std::string daemon = running_time_daemon(proc); !daemon.empty())
    return fmt::format(
        "{0} keeps the machine's clock right and would fight clock_skew: stop it for such a run (systemctl stop {0})",
        daemon);
  timex now{};
  if (::adjtimex(&now) < 0)
    return std::string("the kernel does not say whether the clock is kept right: ") + std::strerror(errno);
  return what_disciplines_the_kernel(now.status, now.offset, in_first_pid_namespace());
}

Status step_wall_clock(std::int64_t by_ns) {
  timex change{};
  change.modes = ADJ_SETOFFSET | ADJ_NANO;
  change.time.tv_sec = by_ns / kNsPerS;
  change.time.tv_usec = by_ns % kNsPerS;  // nanoseconds with ADJ_NANO; never negative, adjtimex(2)
  if (change.time.tv_usec < 0) change.time.tv_usec += kNsPerS, change.time.tv_sec -= 1;
  if (::clock_adjtime(CLOCK_REALTIME, &change) >= 0) return {};
  if (errno == EPERM) return unavailable_error(why_no_clock_setting().value_or("the clock may not be set here"));
  return errno_error("cannot set the clock");
}

Result<ClockStepWatch> ClockStepWatch::open() {
  ClockStepWatch watch;
  watch.timer_ = Fd(::timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!watch.timer_) return errno_error("timerfd_create");
  GRIT_CHECK(watch.arm());
  return watch;
}

Status ClockStepWatch::arm() {
  itimerspec far{};
  far.it_value.tv_sec = now_ns(CLOCK_REALTIME) / kNsPerS + kFarAhead_s;
  if (::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &far, nullptr) == 0) return {};
  return errno_error("timerfd_settime");
}

std::int64_t ClockStepWatch::steps() {
  std::uint64_t expired = 0;
  if (::read(timer_.get(), &expired, sizeof expired) < 0 && errno == ECANCELED) {
    ++steps_;
    static_cast<void>(arm());
  }
  return steps_;
}

}  // namespace grit
